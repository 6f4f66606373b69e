"""Anchors: the newest digests of the audit trail, written to a file and to the log, outside of what they vouch for.

Whoever can write to the database can write a chain anew, but not what was said about it elsewhere. Keep the file where
the database's administrator cannot change it, or ship the log lines to such a place.

The newest step of any state machine is anchored with them: a database that went back to an earlier moment does not have
it any more (`ota.store.older`).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import orjson
from sqlalchemy.engine import Connection

from ota.core.clock import Clock
from ota.core.errors import IntegrityProblem
from ota.store import audit, history, restores_told
from ota.store.audit import Head
from ota.store.phases import Store
from ota.store.restores import Restore

_log = logging.getLogger(__name__)


STEPS: Final = "state_history"
"""The stream of anchors that is none of the audit trail: the newest step, by its number."""


class AnchorsDamaged(IntegrityProblem):
    """A line of the file of anchors is no anchor."""

    code = "anchors_damaged"

    def __init__(self, path: Path, line: int) -> None:
        super().__init__(
            english=f"{path}, line {line}: expected an object with stream, position, digest and at.",
            chinese=f"{path} 第 {line} 行不是有效的锚点记录。",
            details={"line": line},
        )


@dataclass(frozen=True, slots=True)
class Anchor:
    """What was said about a stream at some moment: it had this many entries, the last with this digest."""

    head: Head
    at: datetime


class Anchors:
    """Writes the heads that have moved. Several processes may write to one file: a line is written at once."""

    def __init__(self, store: Store, clock: Clock, path: Path) -> None:
        self._store = store
        self._clock = clock
        self._path = path
        self._written: dict[str, Anchor] = {}
        self._read_up_to = 0

    def write(self) -> int:
        """Anchor every stream that has moved since the last anchor in the file; returns how many."""
        with self._store.read() as tx:
            heads, restore = latest(tx), restores_told.newest(tx, self._clock.now())
        self._catch_up()
        moved = [head for head in heads if _has_moved(head, self._written.get(head.stream), restore)]
        if moved:
            self._append(moved, self._clock.now())
        return len(moved)

    def _catch_up(self) -> None:
        """Read what this and other processes have written since."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._read_up_to)
            for raw in file:
                if raw.endswith(b"\n"):  # another process may be in the middle of its line
                    self._read_up_to += len(raw)
                    self._note(raw)

    def _note(self, raw: bytes) -> None:
        anchor = read_line(raw)
        if anchor is not None:  # `ota audit verify` names what is none; anchoring goes on
            self._written[anchor.head.stream] = anchor

    def _append(self, heads: list[Head], at: datetime) -> None:
        text = b"".join(_line(head, at) for head in heads)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o640)
        try:
            os.write(file, text if _ends_a_line(file) else b"\n" + text)
            os.fsync(file)
        finally:
            os.close(file)
        for head in heads:
            _log.info("audit anchor: %s %d %s", head.stream, head.position, head.digest.hex())


def latest(tx: Connection) -> list[Head]:
    """What is anchored: the end of every stream of the audit trail, and the newest step."""
    step = history.newest(tx)
    steps = [] if step is None else [Head(STEPS, *step)]
    return [*audit.heads(tx), *steps]


def read_line(raw: bytes) -> Anchor | None:
    """The anchor in a line of the file, or None."""
    try:
        return _read(raw)
    except _NOT_AN_ANCHOR:
        return None


def _has_moved(head: Head, written: Anchor | None, restore: Restore | None) -> bool:
    """Whether the end of a stream is to be anchored; what was said before a restore may be about what is forgotten."""
    is_void = written is None or (restore is not None and written.at <= restore.at)
    return is_void or (written is not None and head.position > written.head.position)


def read_anchors(path: Path) -> Iterator[Anchor]:
    """Every anchor of a file, oldest first; raises AnchorsDamaged. A file that is not there holds none."""
    if not path.exists():
        return
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            try:
                yield _read(raw)
            except _NOT_AN_ANCHOR as error:
                raise AnchorsDamaged(path, number) from error


_NOT_AN_ANCHOR: Final = (ValueError, KeyError, TypeError)


def _read(raw: bytes) -> Anchor:
    said = orjson.loads(raw)
    head = Head(str(said["stream"]), int(said["position"]), bytes.fromhex(said["digest"]))
    return Anchor(head, datetime.fromisoformat(said["at"]))


def _ends_a_line(file: int) -> bool:
    """Whether the file is empty or its last line is whole: a full disk may have cut one."""
    size = os.fstat(file).st_size
    return size == 0 or os.pread(file, 1, size - 1) == b"\n"


def _line(head: Head, at: datetime) -> bytes:
    said = {
        "at": at.isoformat(),
        "stream": head.stream,
        "position": head.position,
        "digest": head.digest.hex(),
    }
    return orjson.dumps(said) + b"\n"
