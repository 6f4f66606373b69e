"""Verifies the audit trail: every digest anew, every link, the heads, and what the anchors say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.engine import Connection

from ota.store import audit, restores_told
from ota.store.anchors import STEPS, Anchor
from ota.store.audit import GENESIS, Entry, Head
from ota.store.restores import Restore
from ota.store.restores_told import Told

Progress = Callable[[int], object]
"""Is told how many more rows were looked at."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it was written: ``what`` is edited, relinked, missing, cut, head, anchor or restore."""

    stream: str
    position: int
    what: str
    detail: str


@dataclass(frozen=True, slots=True)
class TakenBack:
    """A restore by which anchors no longer count: who said so when, and how many. ``known``: somebody named it."""

    restore_id: str
    actor: str
    at: datetime
    backup_at: datetime | None
    anchors: int
    known: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong with the trail, and the restores that explain what would be wrong otherwise."""

    findings: list[Finding]
    restores: list[TakenBack]


@dataclass(frozen=True, slots=True)
class Witness:
    """What is known from elsewhere than the database: anchors, the time, the ids of restores that did happen."""

    now: datetime
    anchors: Iterable[Anchor] = ()
    restores: Collection[str] = ()


def count(tx: Connection) -> int:
    """How many entries there are."""
    return tx.execute(select(func.count()).select_from(audit.audit)).scalar_one()


def verify(tx: Connection, witness: Witness, progress: Progress = lambda _rows: None) -> Verdict:
    """Everything that is wrong with the trail, in one consistent look at the database.

    An edit changes a row's digest, an insertion, a deletion or a reordering breaks a link, a cut tail is missed by the
    head or by an anchor, and a chain that was written anew meets an anchor with another digest. A restore explains
    what its backup could not hold; since whoever may write to the database may also say that there was one, the
    witness must know of it.
    """
    told, doubts = restores_told.look(tx, witness.now)
    said, explained = _sorted_out(tx, witness.anchors, told)
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
    findings += [_of_restore(0, doubt.restore_id, doubt.detail) for doubt in doubts]
    taken = [_taken_back(each, explained[each.restore.id], witness) for each in told]
    findings += [
        _of_restore(each.position, gone.restore_id, _unknown(gone))
        for each, gone in zip(told, taken, strict=True)
        if gone.anchors and not gone.known
    ]
    there = {each.restore.id for each in told} | {doubt.restore_id for doubt in doubts}
    findings += [
        _of_restore(0, known, "it is known from elsewhere, the database does not tell of it")
        for known in sorted(set(witness.restores) - there)
    ]
    return Verdict(findings, [gone for gone in taken if gone.anchors])


def _sorted_out(
    tx: Connection, anchors: Iterable[Anchor], told: Sequence[Told]
) -> tuple[Mapping[str, Mapping[int, bytes]], Mapping[str, int]]:
    """What the anchors demand of each stream, and how many are explained by each restore."""
    said: dict[str, dict[int, bytes]] = defaultdict(dict)
    explained: dict[str, int] = defaultdict(int)
    for anchor in anchors:
        if anchor.head.stream == STEPS:
            continue
        restore = _explanation(tx, anchor, told)
        if restore is None:
            said[anchor.head.stream][anchor.head.position] = anchor.head.digest
        else:
            explained[restore.id] += 1
    return said, explained


def _explanation(tx: Connection, anchor: Anchor, told: Sequence[Told]) -> Restore | None:
    """The first restore that may have taken away what an anchor tells of; None where it is there, or none may have."""
    candidates = [each.restore for each in told if each.may_explain(anchor.at)]
    if not candidates:
        return None
    mine = (audit.audit.c.stream == anchor.head.stream, audit.audit.c.position == anchor.head.position)
    row = tx.execute(select(audit.audit.c.at, audit.audit.c.digest).where(*mine)).one_or_none()
    if row is not None and bytes(row.digest) == anchor.head.digest:
        return None
    return next((each for each in candidates if row is None or row.at >= each.at), None)


def _taken_back(told: Told, anchors: int, witness: Witness) -> TakenBack:
    restore = told.restore
    known = restore.id in witness.restores
    return TakenBack(restore.id, told.actor, restore.at, restore.backup_at, anchors, known)


def _unknown(gone: TakenBack) -> str:
    return (
        f"{gone.actor} said at {gone.at:%Y-%m-%d %H:%M:%S} UTC that a backup was restored, and {gone.anchors} anchors "
        f"no longer count; if you know of it, name it: --restore {gone.restore_id}"
    )


def _of_restore(position: int, restore_id: str, detail: str) -> Finding:
    return Finding(audit.RESTORES, position, "restore", f"{restore_id}: {detail}")


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
