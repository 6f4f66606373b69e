"""Notices that the database went back to an earlier moment: its anchors tell of entries that it does not have."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from ota.core.errors import IntegrityProblem
from ota.store import history, restores_told
from ota.store.anchors import STEPS, Anchor, read_line
from ota.store.audit import audit
from ota.store.phases import Store

_TAIL: Final = 1 << 20
"""Bytes of the file that are read: some weeks. The newest step is anchored in every minute in which there is one."""


class DatabaseOlder(IntegrityProblem):
    """The anchors tell of entries that the database does not have: it was restored, and nobody has said so."""

    code = "database_restored"

    def __init__(self, path: Path, missing: Anchor) -> None:
        told = f"{missing.head.stream} {missing.head.position} of {missing.at:%Y-%m-%d %H:%M:%S} UTC"
        super().__init__(
            english=f"The database is older than its anchors: {path} knows {told}, the database does not. If it was restored "
            'from a backup, run `ota db restored` before it serves (docs/operations.md, "After a restore"); if it was not, it '
            "is the wrong database, or entries were removed.",
            chinese=f"数据库早于锚点记录: {path} 中有 {told}, 数据库中没有。若数据库是从备份恢复的, 请先执行 `ota db restored`; "
            "否则数据库有误或记录被删除。",
            details={"stream": missing.head.stream, "position": missing.head.position},
        )


def require_not_older(store: Store, path: Path, now: datetime) -> None:
    """Raise DatabaseOlder when the file of anchors knows more than the database, unless a restore was told of since.

    A row that the audit trail does not tell of is no restore. Whether one that it tells of did happen is asked by
    `ota audit verify`: here an honest mistake is to be noticed, and a server that is told of a restore must start.
    """
    newest = {anchor.head.stream: anchor for anchor in _tail(path)}
    with store.read() as tx:
        restore = restores_told.newest(tx, now)
        for anchor in newest.values():
            is_void = restore is not None and anchor.at <= restore.at
            if not is_void and _digest(tx, anchor) != anchor.head.digest:
                raise DatabaseOlder(path, anchor)


def _digest(tx: Connection, anchor: Anchor) -> bytes | None:
    """The digest of what an anchor tells of, as the database has it."""
    stream, position = anchor.head.stream, anchor.head.position
    if stream == STEPS:
        return history.digest_of(tx, position)
    query = sa.select(audit.c.digest).where(audit.c.stream == stream, audit.c.position == position)
    found = tx.execute(query).scalar()
    return None if found is None else bytes(found)


def _tail(path: Path) -> Iterator[Anchor]:
    """The last anchors of a file, oldest first; a line that is none is passed over, as is the first one if it is cut."""
    if not path.exists():
        return
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL))
        for raw in file:
            anchor = read_line(raw)
            if anchor is not None:
                yield anchor
