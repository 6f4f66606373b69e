"""What a person sees of jobs, and that those which were given up can be brought back."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from ota.core.errors import InvalidValue
from ota.store import audit, job_desk, outbox
from ota.store.job_desk import Mender, NotDead
from ota.store.outbox import Patience
from ota.store.phases import Store
from tests.store.conftest import SetClock

LIN = Mender("Lin", "the HSM has its PIN again")
ONE_TRY = Patience(max_attempts=1)


def stage(store: Store, clock: SetClock, subject: str, **later: float) -> None:
    with store.begin() as tx:
        outbox.stage(tx, "settle", subject, due_at=clock.now() + timedelta(**later))


def give_up(store: Store, clock: SetClock, *subjects: str) -> list[int]:
    """Jobs that failed and will not be tried again; their ids."""
    for subject in subjects:
        stage(store, clock, subject)
    with store.begin() as tx:
        jobs = outbox.claim_due(tx, clock.now(), ONE_TRY)
        for job in jobs:
            outbox.fail(tx, job, clock.now(), ONE_TRY, error="HsmUnavailable")
    return [job.id for job in jobs]


def states(store: Store, clock: SetClock, **options: bool) -> list[tuple[str, str]]:
    with store.read() as tx:
        return [(each.subject_id, each.state) for each in job_desk.listed(tx, clock.now(), **options)]


def test_the_dead_come_first_with_why_and_since_when(store: Store, clock: SetClock) -> None:
    stage(store, clock, "waits", seconds=1)
    give_up(store, clock, "gone")
    clock.advance(minutes=5)

    with store.read() as tx:
        first, *_ = job_desk.listed(tx, clock.now())

    assert (first.subject_id, first.state, first.attempts) == ("gone", "dead", 1)
    assert (first.last_error, first.age_s) == ("HsmUnavailable", 300)


def test_a_job_is_due_running_or_later_until_it_is_dead(store: Store, clock: SetClock) -> None:
    stage(store, clock, "runs")
    with store.begin() as tx:
        outbox.claim_due(tx, clock.now(), Patience())
    stage(store, clock, "waits", seconds=1)
    stage(store, clock, "pauses", hours=1)
    clock.advance(minutes=1)

    found = states(store, clock)

    assert found == [("runs", "running"), ("waits", "due"), ("pauses", "later")]
    assert states(store, clock, dead_only=True) == []


def test_a_dead_job_that_is_revived_has_all_its_tries_again(store: Store, clock: SetClock) -> None:
    first, _ = give_up(store, clock, "a1", "a2")
    clock.advance(hours=1)

    with store.begin() as tx:
        revived = job_desk.revive(tx, [first], LIN, clock.now())
        (claimed,) = outbox.claim_due(tx, clock.now(), Patience())

    assert revived == [first]
    assert (claimed.subject_id, claimed.attempts) == ("a1", 1)
    assert ("a2", "dead") in states(store, clock)


def test_all_of_them_are_revived_at_once(store: Store, clock: SetClock) -> None:
    ids = give_up(store, clock, "a1", "a2")
    stage(store, clock, "lives", hours=1)

    with store.begin() as tx:
        revived = job_desk.revive(tx, None, LIN, clock.now())

    assert revived == ids
    assert states(store, clock) == [("a1", "due"), ("a2", "due"), ("lives", "later")]


def test_who_revived_what_and_why_goes_into_the_audit_trail(store: Store, clock: SetClock) -> None:
    (dead,) = give_up(store, clock, "a1")

    with store.begin() as tx:
        job_desk.revive(tx, [dead], LIN, clock.now())

    with store.read() as tx:
        (entry,) = tx.execute(sa.select(audit.audit)).all()
    job = {"id": dead, "job": "settle", "subject_id": "a1", "last_error": "HsmUnavailable"}
    assert (entry.stream, entry.actor, entry.action) == ("jobs", "Lin", "revived")
    assert entry.data == {"reason": "the HSM has its PIN again", "jobs": [job]}


@pytest.mark.parametrize("others", [[999], [999, 1000]])
def test_an_id_that_is_no_dead_job_revives_nothing(store: Store, clock: SetClock, others: list[int]) -> None:
    (dead,) = give_up(store, clock, "a1")

    with pytest.raises(NotDead, match="999") as refused, store.begin() as tx:
        job_desk.revive(tx, [dead, *others], LIN, clock.now())

    assert refused.value.details == {"ids": others}
    assert states(store, clock) == [("a1", "dead")]


def test_a_job_that_is_alive_is_not_revived(store: Store, clock: SetClock) -> None:
    stage(store, clock, "a1", seconds=30)
    with store.read() as tx:
        (alive,) = job_desk.listed(tx, clock.now())

    with pytest.raises(NotDead), store.begin() as tx:
        job_desk.revive(tx, [alive.id], LIN, clock.now())


def test_where_nothing_is_dead_nothing_is_written(store: Store, clock: SetClock) -> None:
    with store.begin() as tx:
        revived = job_desk.revive(tx, None, LIN, clock.now())

    with store.read() as tx:
        entries = tx.execute(sa.select(audit.audit)).all()
    assert (revived, entries) == ([], [])


@pytest.mark.parametrize(("by", "reason"), [("", "x"), ("x" * 65, "x"), ("x", ""), ("x", "two\nlines")])
def test_what_the_trail_cannot_keep_is_refused(by: str, reason: str) -> None:
    with pytest.raises(InvalidValue):
        Mender(by, reason)
