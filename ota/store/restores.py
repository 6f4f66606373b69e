"""What is known of restores: the database went back to an earlier moment, and somebody said so (`ota db restored`).

Everything that was acknowledged between that moment and the restore is gone here, and known to cards, wallets and anchors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from ota.core.ids import new_id
from ota.store.append_only import append_only
from ota.store.history import state_history
from ota.store.schema import metadata
from ota.store.types import Json, UtcDateTime

database_restore = append_only(
    sa.Table(
        "database_restore",
        metadata,
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("backup_at", UtcDateTime, nullable=True),  # the newest step in it; None: it held none
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("actor", sa.String(64), nullable=False),
        sa.Column("data", Json, nullable=False),
    )
)

CLOCKS: Final = timedelta(minutes=10)
"""How far a caller's clock may be ahead of ours: what it says happened so soon after a restore may have been before."""

_EPOCH: Final = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Restore:
    """One restore: the database was brought back to ``backup_at``, and whoever answers for it said so at ``at``."""

    id: str
    backup_at: datetime | None
    at: datetime


def newest(tx: Connection) -> Restore | None:
    """The last restore, or None where there never was one."""
    query = sa.select(database_restore).order_by(database_restore.c.at.desc(), database_restore.c.id.desc())
    row = tx.execute(query.limit(1)).one_or_none()
    return None if row is None else Restore(row.id, row.backup_at, row.at)


def after(tx: Connection, moment: datetime) -> Restore | None:
    """The last restore, if what happened at this moment outside may have been booked before it, and forgotten by it."""
    last = newest(tx)
    return last if last is not None and moment <= last.at + CLOCKS else None


def begin(tx: Connection, now: datetime) -> Restore:
    """A restore that is being told of; `record` writes it once everything that it puts in question is counted."""
    return Restore(new_id("rst"), backup_moment(tx), now)


def record(tx: Connection, restore: Restore, actor: str, data: Mapping[str, object]) -> None:
    """Write down a restore and what was put in question by it."""
    tx.execute(
        database_restore.insert().values(
            id=restore.id, backup_at=restore.backup_at, at=restore.at, actor=actor, data=dict(data)
        )
    )


def backup_moment(tx: Connection) -> datetime | None:
    """The moment of the newest step that the database knows; None for one in which nothing has happened."""
    newest_step = sa.select(state_history.c.at).order_by(state_history.c.id.desc()).limit(1)
    moment: datetime | None = tx.execute(newest_step).scalar()
    return moment


def counted_on(moment: datetime, unit: timedelta) -> int:
    """A count that whoever counts fewer than one in each ``unit`` of time has not reached by this moment."""
    return (moment - _EPOCH) // unit
