"""Work to do later, staged in the business transaction and kept here until its handler has finished.

A row lives from ``stage`` to ``finish``. Whoever takes it holds a lease; when the holder dies or Redis loses the
message, the lease ends and the row is due again. So a handler may run more than once and must not mind.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from ota.store.schema import metadata
from ota.store.types import RowId, UtcDateTime

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("id", RowId, primary_key=True),
    sa.Column("job", sa.String(64), nullable=False),
    sa.Column("subject_id", sa.String(64), nullable=False),
    sa.Column("due_at", UtcDateTime, nullable=False),
    sa.Column("leased_until", UtcDateTime),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("last_error", sa.String(200)),
    sa.Column("dead_at", UtcDateTime),
    sa.Index(None, "dead_at", "due_at"),
    sa.Index(None, "job", "subject_id"),
    sqlite_autoincrement=True,  # else SQLite gives a finished row's id to a new one
)


LEASE_ENDED: Final = "LeaseEnded"
"""The last error of a row whose tries ended without one: its processes died, or were slower than the lease."""

_MOST_BURIED: Final = 100


@dataclass(frozen=True, slots=True)
class DueJob:
    """A staged job whose time has come: ``attempts`` counts this one too."""

    id: int
    job: str
    subject_id: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a holder may take, how often a job is tried and how the pauses between tries grow."""

    lease: timedelta = timedelta(minutes=2)
    max_attempts: int = 12
    first_pause: timedelta = timedelta(seconds=1)
    longest_pause: timedelta = timedelta(minutes=15)

    def pause(self, attempts: int) -> timedelta:
        """Doubling from the first pause up to the longest."""
        return min(self.longest_pause, self.first_pause * (1 << min(attempts - 1, 30)))


@dataclass(frozen=True, slots=True)
class Backlog:
    """What the outbox holds: rows waiting, rows given up on, the age of the oldest that is due (seconds)."""

    waiting: int
    dead: int
    oldest_due_s: float


def stage(tx: Connection, job: str, subject_id: str, *, due_at: datetime) -> None:
    """Promise that ``job`` will run for the subject at or after ``due_at``, if this transaction commits."""
    tx.execute(outbox.insert().values(job=str(job), subject_id=subject_id, due_at=due_at))


@dataclass(frozen=True, slots=True)
class Unhurried:
    """Jobs that wait for others' servers and move no money: they get the room that the rest leave, ``least`` at any rate."""

    jobs: Collection[str] = ()
    least: int = 0


def claim_due(
    tx: Connection, now: datetime, patience: Patience, *, limit: int = 20, unhurried: Unhurried | None = None
) -> list[DueJob]:
    """Take up to ``limit`` due rows and lease them; no other process gets the same ones. The unhurried come last.

    A row whose lease ended without a word may be what ended its process: whoever finishes, fails or gives back a row
    takes the lease off. It is taken alone, so that it takes nobody along the next time, and not at all when its tries
    are used up (`bury`).
    """
    behind = unhurried or Unhurried()
    hurried, news = outbox.c.job.not_in(behind.jobs), outbox.c.job.in_(behind.jobs)
    suspect = sa.and_(outbox.c.leased_until.is_not(None), outbox.c.attempts < patience.max_attempts)
    fresh = sa.and_(outbox.c.leased_until.is_(None), outbox.c.attempts < patience.max_attempts)
    found = _take(tx, now, sa.and_(suspect, hurried), 1)
    if not found:
        found = _take(tx, now, sa.and_(fresh, hurried), limit)
        if behind.jobs:
            alone = [] if found else _take(tx, now, sa.and_(suspect, news), 1)
            room = max(limit - len(found), behind.least)
            found += alone or _take(tx, now, sa.and_(fresh, news), room)
    _lease(tx, [job.id for job in found], until=now + patience.lease)
    return found


def bury(tx: Connection, now: datetime, patience: Patience) -> list[DueJob]:
    """Give up the due rows whose tries all ended without a word: whoever ran them did not live to call them failed."""
    found = _take(tx, now, outbox.c.attempts >= patience.max_attempts, _MOST_BURIED)
    _forget_dead(tx, found)
    mine = outbox.update().where(outbox.c.id.in_([job.id for job in found]))
    tx.execute(mine.values(leased_until=None, last_error=LEASE_ENDED, dead_at=now))
    return found


def anything_due(tx: Connection, now: datetime) -> bool:
    """Whether claim_due or bury would find a row."""
    return tx.execute(sa.select(outbox.c.id).where(_due(now)).limit(1)).first() is not None


def due_of_subject(tx: Connection, job: str, subject_id: str, now: datetime) -> list[DueJob]:
    """The due rows of one job and subject, leased or not: what a queue's message stands for."""
    rows = tx.execute(
        sa.select(outbox.c.id, outbox.c.attempts).where(
            outbox.c.job == job,
            outbox.c.subject_id == subject_id,
            outbox.c.dead_at.is_(None),
            outbox.c.due_at <= now,
        )
    ).all()
    return [DueJob(row.id, job, subject_id, max(row.attempts, 1)) for row in rows]


def give_back(tx: Connection, jobs: Sequence[DueJob]) -> None:
    """Undo a claim that led to no try: the queue could not be reached."""
    mine = outbox.update().where(outbox.c.id.in_([job.id for job in jobs]))
    tx.execute(mine.values(leased_until=None, attempts=outbox.c.attempts - 1))


def finish(tx: Connection, jobs: Sequence[DueJob]) -> None:
    """The handler has done its work: the rows are no longer needed, nor are dead ones that asked for the same."""
    tx.execute(outbox.delete().where(outbox.c.id.in_([job.id for job in jobs])))
    _forget_dead(tx, jobs)


def fail(tx: Connection, job: DueJob, now: datetime, patience: Patience, *, error: str) -> bool:
    """Note why a handler failed and when to try again; True when it was the last try and the row is dead.

    ``error`` is a kind of error, never its message: a message may hold what a log must not.
    """
    dead = job.attempts >= patience.max_attempts
    if dead:
        _forget_dead(tx, [job])
    tx.execute(
        outbox.update()
        .where(outbox.c.id == job.id)
        .values(
            leased_until=None,
            last_error=error[:200],
            due_at=now + patience.pause(job.attempts),
            dead_at=now if dead else None,
        )
    )
    return dead


def has_no_job(job: str, subject_id: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """Whether no job of this name that is not dead is staged for the subject: what sweeps for lost ones ask."""
    mine = (outbox.c.job == job, outbox.c.subject_id == subject_id, outbox.c.dead_at.is_(None))
    return ~sa.exists().where(*mine)


def backlog(tx: Connection, now: datetime) -> Backlog:
    """Count what waits and what is dead."""
    alive = outbox.c.dead_at.is_(None)
    waiting, dead = tx.execute(
        sa.select(sa.func.count().filter(alive), sa.func.count().filter(sa.not_(alive))).select_from(outbox)
    ).one()
    oldest = tx.execute(
        sa.select(outbox.c.due_at).where(alive, outbox.c.due_at <= now).order_by(outbox.c.due_at).limit(1)
    ).scalar()
    return Backlog(waiting, dead, 0.0 if oldest is None else (now - oldest).total_seconds())


def _take(tx: Connection, now: datetime, which: sa.ColumnElement[bool], limit: int) -> list[DueJob]:
    """The due rows of this kind that have waited longest, locked."""
    due = (
        sa.select(outbox.c.id, outbox.c.job, outbox.c.subject_id, outbox.c.attempts)
        .where(_due(now), which)
        .order_by(outbox.c.due_at, outbox.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)  # SQLite has no such clause and needs none: begin() is exclusive
    )
    return [DueJob(row.id, row.job, row.subject_id, row.attempts + 1) for row in tx.execute(due)]


def _forget_dead(tx: Connection, jobs: Sequence[DueJob]) -> None:
    """One dead row of a job and subject tells all that the earlier ones did."""
    for job, subject_id in sorted({(each.job, each.subject_id) for each in jobs}):
        mine = (outbox.c.job == job, outbox.c.subject_id == subject_id, outbox.c.dead_at.is_not(None))
        tx.execute(outbox.delete().where(*mine))


def _due(now: datetime) -> sa.ColumnElement[bool]:
    free = sa.or_(outbox.c.leased_until.is_(None), outbox.c.leased_until <= now)
    return sa.and_(outbox.c.dead_at.is_(None), outbox.c.due_at <= now, free)


def _lease(tx: Connection, ids: Sequence[int], *, until: datetime) -> None:
    if ids:
        tx.execute(
            outbox.update()
            .where(outbox.c.id.in_(ids))
            .values(leased_until=until, attempts=outbox.c.attempts + 1)
        )
