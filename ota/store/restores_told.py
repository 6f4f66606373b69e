"""Which restores count: those that the audit trail tells of as well, with the same contents.

A row alone is one INSERT. What both say still proves little against somebody who may write to the database, so
`ota audit verify` asks for the id of each restore that takes anchors back (`ota.store.audit_check`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row, select
from sqlalchemy.engine import Connection

from ota.store import audit
from ota.store.restores import CLOCKS, Restore, database_restore

ACTION: Final = "database_restored"
"""What the trail calls it."""

_ANCHORED: Final = timedelta(minutes=1)
"""How often a server writes anchors: one of just before the backup's newest step may tell of what came after it."""


@dataclass(frozen=True, slots=True)
class Told:
    """A restore that row and trail agree about: who said so, and the entry's position in its stream."""

    restore: Restore
    actor: str
    position: int

    def may_explain(self, said_at: datetime) -> bool:
        """Whether what was said then may be about something that this restore took away: not what the backup holds."""
        since = self.restore.backup_at
        return said_at <= self.restore.at and (since is None or said_at >= since - _ANCHORED)


@dataclass(frozen=True, slots=True)
class Doubt:
    """A restore that explains nothing, and why."""

    restore_id: str
    detail: str


def look(tx: Connection, now: datetime) -> tuple[list[Told], list[Doubt]]:
    """Every restore, oldest first: those that count, and those that do not."""
    entries = _entries(tx)
    told: list[Told] = []
    doubts: list[Doubt] = []
    rows = tx.execute(select(database_restore).order_by(database_restore.c.at, database_restore.c.id)).all()
    for row in rows:
        mine = entries.pop(row.id, [])
        if why := _why_not(row, mine, now):
            doubts.append(Doubt(row.id, why))
        else:
            told.append(Told(Restore(row.id, row.backup_at, row.at), row.actor, mine[0].position))
    doubts += [Doubt(each, "the trail tells of it, database_restore does not") for each in sorted(entries)]
    return told, doubts


def newest(tx: Connection, now: datetime) -> Restore | None:
    """The last restore that counts, or None."""
    told, _ = look(tx, now)
    return told[-1].restore if told else None


def _entries(tx: Connection) -> dict[str, list[Row[Any]]]:
    mine = (audit.audit.c.stream == audit.RESTORES, audit.audit.c.action == ACTION)
    found: dict[str, list[Row[Any]]] = {}
    for row in tx.execute(select(audit.audit).where(*mine).order_by(audit.audit.c.position)):
        found.setdefault(row.subject_id, []).append(row)
    return found


def _why_not(row: Row[Any], entries: list[Row[Any]], now: datetime) -> str:
    if len(entries) != 1:
        return f"{len(entries)} entries of the trail tell of it, expected one"
    (entry,) = entries
    if (entry.actor, entry.at, entry.data) != (row.actor, row.at, _told_in_the_trail(row)):
        return "the entry of the trail says something else"
    if row.at > now + CLOCKS:
        return "it lies in the future"
    if row.backup_at is not None and row.backup_at > row.at + CLOCKS:
        return "its backup is younger than itself"
    return ""


def _told_in_the_trail(row: Row[Any]) -> Mapping[str, object]:
    moment = None if row.backup_at is None else row.backup_at.isoformat()
    return {"backup_at": moment, **row.data}
