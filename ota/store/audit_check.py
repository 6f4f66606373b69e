"""Verifies the audit trail: every digest anew, every link, the heads, and what the anchors say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.engine import Connection

from ota.store import audit, restores
from ota.store.anchors import STEPS, Anchor
from ota.store.audit import GENESIS, Entry, Head
from ota.store.restores import Restore

Progress = Callable[[int], object]
"""Is told how many more rows were looked at."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it was written: ``what`` is edited, relinked, missing, cut, head or anchor."""

    stream: str
    position: int
    what: str
    detail: str


def count(tx: Connection) -> int:
    """How many entries there are."""
    return tx.execute(select(func.count()).select_from(audit.audit)).scalar_one()


def verify(
    tx: Connection, anchors: Iterable[Anchor] = (), progress: Progress = lambda _rows: None
) -> list[Finding]:
    """Everything that is wrong with the trail, in one consistent look at the database.

    An edit changes a row's digest, an insertion, a deletion or a reordering breaks a link, a cut tail is missed by the
    head or by an anchor, and a chain that was written anew meets an anchor with another digest.
    """
    said: dict[str, dict[int, bytes]] = defaultdict(dict)
    restore = restores.newest(tx)
    for anchor in anchors:
        if anchor.head.stream != STEPS and not _is_forgotten(tx, anchor, restore):
            said[anchor.head.stream][anchor.head.position] = anchor.head.digest
    heads = {head.stream: head for head in audit.heads(tx)}
    found = tx.execute(select(audit.audit.c.stream).distinct()).scalars().all()
    findings: list[Finding] = []
    for stream in sorted({*found, *heads, *said}):
        walk = _Walk(stream, said.get(stream, {}))
        rows = select(audit.audit).where(audit.audit.c.stream == stream).order_by(audit.audit.c.position)
        for row in tx.execute(rows.execution_options(yield_per=1000)):
            walk.step(row)
            progress(1)
        findings += walk.end(heads.get(stream))
    return findings


def _is_forgotten(tx: Connection, anchor: Anchor, restore: Restore | None) -> bool:
    """Whether an anchor tells of an entry that a restore, which somebody told of, has taken away."""
    if restore is None or anchor.at > restore.at:
        return False
    mine = (audit.audit.c.stream == anchor.head.stream, audit.audit.c.position == anchor.head.position)
    written_at = tx.execute(select(audit.audit.c.at).where(*mine)).scalar()
    return written_at is None or written_at >= restore.at


class _Walk:
    """One stream from its first entry to its last."""

    def __init__(self, stream: str, anchors: Mapping[int, bytes]) -> None:
        self._stream = stream
        self._anchors = anchors
        self._last = Head(stream, 0, GENESIS)
        self._findings: list[Finding] = []

    def step(self, row: Row[Any]) -> None:
        """Look at the next entry."""
        if row.position != self._last.position + 1:
            self._find(self._last.position + 1, "missing", f"the next entry is {row.position}")
        elif bytes(row.previous) != self._last.digest:
            self._find(row.position, "relinked", "it does not name the digest of the entry before it")
        digest = bytes(row.digest)
        entry = Entry(row.stream, row.actor, row.action, row.subject_id, row.data, row.at)
        if audit.digest_of(entry, row.position, bytes(row.previous)) != digest:
            self._find(row.position, "edited", "its contents do not give its digest")
        anchored = self._anchors.get(row.position)
        if anchored is not None and anchored != digest:
            self._find(row.position, "anchor", "an anchor names another digest")
        self._last = Head(self._stream, row.position, digest)

    def end(self, head: Head | None) -> list[Finding]:
        """Look at what should come after the last entry, and give everything that was found."""
        newest = max(self._anchors, default=0)
        if newest > self._last.position:
            self._find(self._last.position + 1, "cut", f"an anchor knows {newest} entries")
        if head is None:
            self._find(self._last.position, "head", "the stream has no head")
        elif head != self._last:
            what = "cut" if head.position > self._last.position else "head"
            self._find(self._last.position, what, f"the head is at {head.position}")
        return self._findings

    def _find(self, position: int, what: str, detail: str) -> None:
        self._findings.append(Finding(self._stream, position, what, detail))
