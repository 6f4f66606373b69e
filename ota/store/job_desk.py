"""What a person sees of the outbox, and does about jobs that were given up."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from ota.core.errors import Conflict, InvalidValue
from ota.store import audit
from ota.store.audit import Entry
from ota.store.outbox import outbox

_LONGEST_NAME: Final = 64
_LONGEST_REASON: Final = 400


class NotDead(Conflict):
    """Somebody wants to revive a job that is not there or still alive."""

    code = "job_not_dead"

    def __init__(self, ids: Sequence[int]) -> None:
        named = ", ".join(map(str, ids))
        super().__init__(
            english=f"No dead job has the id {named}; nothing was revived. `ota jobs list --dead` shows which there are.",
            chinese=f"没有编号为 {named} 的已停止任务, 未恢复任何任务。可用 `ota jobs list --dead` 查看。",
            details={"ids": list(ids)},
        )


@dataclass(frozen=True, slots=True)
class Listed:
    """A job as it stands. ``state``: dead, due, running or later; ``age_s`` since it died or fell due, 0 before."""

    id: int
    job: str
    subject_id: str
    state: str
    attempts: int
    last_error: str | None
    due_at: datetime
    age_s: int


@dataclass(frozen=True, slots=True)
class Mender:
    """Who brings jobs back, and what was mended before."""

    by: str
    reason: str

    def __post_init__(self) -> None:
        """Raise InvalidValue for what the audit trail cannot keep."""
        for name, value, longest in (
            ("by", self.by, _LONGEST_NAME),
            ("reason", self.reason, _LONGEST_REASON),
        ):
            if not 1 <= len(value) <= longest or not value.isprintable():
                raise InvalidValue(name, f"1 to {longest} printable characters")


def listed(tx: Connection, now: datetime, *, dead_only: bool = False, limit: int = 100) -> list[Listed]:
    """Jobs that were given up first, then those that have waited longest."""
    query = sa.select(outbox).order_by(outbox.c.dead_at.is_(None), outbox.c.due_at, outbox.c.id).limit(limit)
    if dead_only:
        query = query.where(outbox.c.dead_at.is_not(None))
    return [_listed(row, now) for row in tx.execute(query)]


def revive(tx: Connection, ids: Collection[int] | None, mender: Mender, now: datetime) -> list[int]:
    """Give these dead jobs, or all of them, a new set of tries; goes into the audit trail.

    Raises NotDead, having changed nothing, when one of them is not a dead job.
    """
    dead = sa.select(outbox).where(outbox.c.dead_at.is_not(None)).order_by(outbox.c.id).with_for_update()
    rows = tx.execute(dead if ids is None else dead.where(outbox.c.id.in_(ids))).all()
    found = [row.id for row in rows]
    if ids is not None and (others := sorted(set(ids) - set(found))):
        raise NotDead(others)
    if rows:
        again = outbox.update().where(outbox.c.id.in_(found))
        tx.execute(again.values(dead_at=None, attempts=0, leased_until=None, due_at=now))
        told = [
            {"id": row.id, "job": row.job, "subject_id": row.subject_id, "last_error": row.last_error}
            for row in rows
        ]
        data = {"reason": mender.reason, "jobs": told}
        audit.append(tx, Entry(audit.JOBS, mender.by, "revived", f"{len(found)} jobs", data, now))
    return found


def _listed(row: Row[tuple[object, ...]], now: datetime) -> Listed:
    since = row.due_at if row.dead_at is None else row.dead_at
    return Listed(
        id=row.id,
        job=row.job,
        subject_id=row.subject_id,
        state=_state(row, now),
        attempts=row.attempts,
        last_error=row.last_error,
        due_at=row.due_at,
        age_s=max(0, int((now - since).total_seconds())),
    )


def _state(row: Row[tuple[object, ...]], now: datetime) -> str:
    if row.dead_at is not None:
        return "dead"
    if row.leased_until is not None and row.leased_until > now:
        return "running"
    return "due" if row.due_at <= now else "later"
