"""Jobs: promised with the business, claimed by one, run until done, dead in the end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from ota.core.errors import Unavailable
from ota.store import outbox
from ota.store.outbox import Patience
from ota.store.phases import Store
from ota.store.runner import JobRunner
from tests.store.conftest import SetClock

PATIENCE = Patience(lease=timedelta(minutes=2), max_attempts=3)


class Worklog:
    """A handler that notes what it did and fails as often as told."""

    def __init__(self, failures: int = 0) -> None:
        self.done: list[str] = []
        self.outcomes: list[tuple[str, str]] = []
        self.failures = failures

    def handle(self, subject_id: str) -> None:
        if self.failures:
            self.failures -= 1
            raise RuntimeError("card 3104890000000000123 was torn")
        self.done.append(subject_id)

    def count(self, job: str, outcome: str) -> None:
        self.outcomes.append((job, outcome))


@pytest.fixture
def log() -> Worklog:
    return Worklog()


Make = Callable[..., JobRunner]


@pytest.fixture
def make(store: Store, clock: SetClock, log: Worklog) -> Make:
    def build(**more: Any) -> JobRunner:
        return JobRunner(store, clock, {"settle": log.handle}, patience=PATIENCE, count=log.count, **more)

    return build


def stage(store: Store, clock: SetClock, *subjects: str, after_s: float = 0) -> None:
    with store.begin() as tx:
        for subject in subjects:
            outbox.stage(tx, "settle", subject, due_at=clock.now() + timedelta(seconds=after_s))


def backlog(store: Store, clock: SetClock) -> outbox.Backlog:
    with store.read() as tx:
        return outbox.backlog(tx, clock.now())


def test_a_staged_job_runs_once_and_is_forgotten(
    store: Store, clock: SetClock, make: Make, log: Worklog
) -> None:
    stage(store, clock, "a1", "a2")

    taken = make().run_due()

    assert taken == 2
    assert sorted(log.done) == ["a1", "a2"]
    assert backlog(store, clock).waiting == 0
    assert make().run_due() == 0


def test_a_job_waits_for_its_time(store: Store, clock: SetClock, make: Make) -> None:
    stage(store, clock, "a1", after_s=30)

    too_early = make().run_due()
    clock.advance(seconds=30)
    in_time = make().run_due()

    assert (too_early, in_time) == (0, 1)


def test_the_same_job_staged_twice_runs_once(store: Store, clock: SetClock, make: Make, log: Worklog) -> None:
    stage(store, clock, "a1", "a1")

    make().run_due()

    assert log.done == ["a1"]
    assert backlog(store, clock).waiting == 0


def test_a_job_that_fails_is_tried_again_after_a_growing_pause(
    store: Store, clock: SetClock, make: Make, log: Worklog
) -> None:
    log.failures = 2
    stage(store, clock, "a1")
    runs = []

    for seconds in (0, 0.5, 0.5, 1.0, 1.0):
        clock.advance(seconds=seconds)
        runs.append(make().run_due())

    assert runs == [1, 0, 1, 0, 1]
    assert log.done == ["a1"]
    assert log.outcomes == [("settle", "failed"), ("settle", "failed"), ("settle", "done")]


def test_a_job_that_never_works_dies(store: Store, clock: SetClock, make: Make, log: Worklog) -> None:
    log.failures = 3
    stage(store, clock, "a1")
    for _ in range(4):
        make().run_due()
        clock.advance(minutes=1)
    found = backlog(store, clock)

    assert (found.waiting, found.dead) == (0, 1)
    assert log.outcomes[2] == ("settle", "dead")
    assert log.done == []


def test_a_job_that_died_and_was_staged_again_is_mourned_once(
    store: Store, clock: SetClock, make: Make, log: Worklog
) -> None:
    log.failures = 6
    for _ in range(2):
        stage(store, clock, "a1")
        for _ in range(3):
            make().run_due()
            clock.advance(minutes=1)

    found = backlog(store, clock)

    assert log.outcomes.count(("settle", "dead")) == 2
    assert (found.waiting, found.dead) == (0, 1)


def test_a_job_that_ends_well_takes_the_dead_one_of_its_subject_along(
    store: Store, clock: SetClock, make: Make, log: Worklog
) -> None:
    log.failures = 6
    stage(store, clock, "a1", "other")
    for _ in range(3):
        make().run_due()
        clock.advance(minutes=1)
    stage(store, clock, "a1")

    make().run_due()

    with store.read() as tx:
        left = tx.execute(outbox.outbox.select()).all()
    assert log.done == ["a1"]
    assert [row.subject_id for row in left] == ["other"]


def test_why_it_failed_is_kept_without_what_it_said(
    store: Store, clock: SetClock, make: Make, log: Worklog
) -> None:
    log.failures = 1
    stage(store, clock, "a1")

    make().run_due()

    with store.read() as tx:
        assert tx.execute(outbox.outbox.select()).one().last_error == "RuntimeError"


def test_a_job_nobody_handles_is_noted_as_failed(
    store: Store, clock: SetClock, make: Make, log: Worklog
) -> None:
    with store.begin() as tx:
        outbox.stage(tx, "unknown", "a1", due_at=clock.now())

    make().run_due()

    assert log.outcomes == [("unknown", "failed")]


def test_a_job_whose_process_died_is_run_by_another(
    store: Store, clock: SetClock, make: Make, log: Worklog
) -> None:
    stage(store, clock, "a1")
    make().claim()  # and then the process is killed

    meanwhile = make().run_due()
    clock.advance(minutes=2)
    later = make().run_due()

    assert (meanwhile, later) == (0, 1)
    assert log.done == ["a1"]


def killed_while_running(clock: SetClock, make: Make, times: int) -> list[list[str]]:
    """A process takes what is due and is killed by the first of it, again and again; what each one took."""
    taken = []
    for _ in range(times):
        taken.append([job.subject_id for job in make().claim()])
        clock.advance(minutes=2)
    return taken


def test_a_job_that_kills_its_process_is_dead_after_its_tries(
    store: Store, clock: SetClock, make: Make, log: Worklog, caplog: pytest.LogCaptureFixture
) -> None:
    stage(store, clock, "killer")

    taken = killed_while_running(clock, make, times=5)

    found = backlog(store, clock)
    assert taken == [["killer"]] * PATIENCE.max_attempts + [[], []]
    assert (found.waiting, found.dead) == (0, 1)
    assert log.outcomes == [("settle", "dead")]
    assert "job settle for killer is dead" in caplog.text


def test_a_job_that_kills_its_process_takes_its_neighbours_along_once(
    store: Store, clock: SetClock, make: Make, log: Worklog
) -> None:
    stage(store, clock, "killer", "a1", "a2")

    (first, then) = killed_while_running(clock, make, times=2)
    clock.advance(seconds=-1)  # the lease of the killer goes on, theirs have ended
    while make().run_due():
        pass

    assert first == ["killer", "a1", "a2"]
    assert then == ["killer"]
    assert log.done == ["a1", "a2"]


def test_a_job_that_was_slower_than_its_lease_and_ends_well_is_forgotten(
    store: Store, clock: SetClock, make: Make
) -> None:
    stage(store, clock, "slow")
    killed_while_running(clock, make, times=PATIENCE.max_attempts - 1)
    (last,) = make().claim()
    clock.advance(minutes=3)
    make().claim()  # another process calls it dead

    with store.begin() as tx:
        outbox.finish(tx, [last])

    assert backlog(store, clock) == outbox.Backlog(0, 0, 0.0)


def test_two_processes_never_take_the_same_job(store: Store, clock: SetClock, make: Make) -> None:
    stage(store, clock, *(f"a{number}" for number in range(40)))

    with ThreadPoolExecutor(4) as pool:
        claims = list(pool.map(lambda _: make().claim(10), range(4)))

    taken = [job.subject_id for claim in claims for job in claim]
    assert len(taken) == len(set(taken)) == 40


def test_a_claim_that_led_to_no_try_is_given_back(store: Store, clock: SetClock, make: Make) -> None:
    stage(store, clock, "a1")
    with store.begin() as tx:
        outbox.give_back(tx, outbox.claim_due(tx, clock.now(), PATIENCE))

    (job,) = make().claim()

    assert job.attempts == 1


def test_a_message_of_the_queue_runs_the_leased_row(
    store: Store, clock: SetClock, make: Make, log: Worklog
) -> None:
    stage(store, clock, "a1")
    make().claim()  # the relay leased it and enqueued it

    make().run_subject("settle", "a1")
    make().run_subject("settle", "a1")  # the queue delivered twice

    assert log.done == ["a1"]


def test_the_age_of_the_oldest_due_job_is_known(store: Store, clock: SetClock) -> None:
    stage(store, clock, "a1", "a2")
    stage(store, clock, "a3", after_s=600)
    clock.advance(seconds=7)

    found = backlog(store, clock)

    assert (found.waiting, found.oldest_due_s) == (3, 7.0)


def test_a_sweep_that_fails_does_not_stop_the_next(make: Make) -> None:
    swept: list[str] = []

    def broken() -> None:
        raise RuntimeError

    make(sweeps=(broken, lambda: swept.append("second"))).sweep()

    assert swept == ["second"]


class _CountingStop(threading.Event):
    """An event that is set after so many waits, and remembers how long each was to be."""

    def __init__(self, rounds: int) -> None:
        super().__init__()
        self.pauses: list[float | None] = []
        self._rounds = rounds

    def wait(self, timeout: float | None = None) -> bool:
        self.pauses.append(timeout)
        if len(self.pauses) >= self._rounds:
            self.set()
        return self.is_set()


def test_the_loop_runs_sweeps_and_pauses_when_nothing_is_due(
    store: Store, clock: SetClock, make: Make, log: Worklog
) -> None:
    stage(store, clock, "a1")
    swept: list[int] = []
    stop = _CountingStop(rounds=2)

    make(sweeps=(lambda: swept.append(1),)).run_until(stop, 0.5)

    assert log.done == ["a1"]
    assert swept == [1]
    assert stop.pauses == [0.0, 0.5]


@pytest.mark.parametrize(
    ("error", "pauses"), [(Unavailable(), [1.0, 2.0, 4.0]), (RuntimeError(), [30.0, 30.0, 30.0])]
)
def test_the_loop_survives_and_asks_less_often(
    make: Make, monkeypatch: pytest.MonkeyPatch, error: Exception, pauses: list[float]
) -> None:
    runner = make()

    def away(_self: JobRunner, _limit: int = 20) -> int:
        raise error

    monkeypatch.setattr(JobRunner, "run_due", away)
    stop = _CountingStop(rounds=3)

    runner.run_until(stop, 0.5)

    assert stop.pauses == pauses


def stage_news(store: Store, clock: SetClock, count: int) -> None:
    with store.begin() as tx:
        for n in range(count):
            outbox.stage(tx, "tell", f"news-{n}", due_at=clock.now() - timedelta(minutes=1))


def hurried(store: Store, clock: SetClock, ran: list[str]) -> JobRunner:
    handlers = {"tell": ran.append, "settle": ran.append}
    return JobRunner(store, clock, handlers, patience=PATIENCE, unhurried={"tell"})


def test_money_goes_before_news_however_long_the_news_has_waited(store: Store, clock: SetClock) -> None:
    ran: list[str] = []
    stage_news(store, clock, 40)
    stage(store, clock, "refund")

    hurried(store, clock, ran).run_due()

    assert ran[0] == "refund"
    assert len(ran) == 20  # then it looks again


def test_news_whose_process_died_waits_for_money_that_nobody_has_tried(store: Store, clock: SetClock) -> None:
    ran: list[str] = []
    stage_news(store, clock, 2)
    runner = hurried(store, clock, ran)
    runner.claim()
    clock.advance(minutes=2)
    stage(store, clock, "refund")

    taken = [runner.run_due() for _ in range(4)]

    assert ran == ["refund", "news-0", "news-1"]
    assert taken == [1, 1, 1, 0]


def test_news_has_its_turn_however_much_money_waits(store: Store, clock: SetClock) -> None:
    ran: list[str] = []
    stage_news(store, clock, 5)
    stage(store, clock, *(f"refund-{n}" for n in range(100)))

    hurried(store, clock, ran).run_due()

    assert [each[:4] for each in ran] == ["refu"] * 20 + ["news"] * 4


def test_news_has_the_whole_room_where_no_money_waits(store: Store, clock: SetClock) -> None:
    ran: list[str] = []
    stage_news(store, clock, 25)
    runner = hurried(store, clock, ran)

    taken = [runner.run_due() for _ in range(3)]

    assert taken == [20, 5, 0]
    assert len(ran) == 25
