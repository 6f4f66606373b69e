"""Jobs through Redis: nothing is lost when the queue is."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from rq import Queue, SimpleWorker
from rq.serializers import JSONSerializer

from ota import wiring, worker
from ota.core.clock import SystemClock
from ota.store import outbox
from ota.store.outbox import Patience
from ota.store.runner import JobRunner

Ready = Callable[..., wiring.Wiring]

PAUSE = timedelta(minutes=1)
"""Before a job that failed is tried again: longer than it takes to see that nothing else is due."""


class Handled:
    def __init__(self) -> None:
        self.subjects: list[str] = []
        self.fail = False

    def __call__(self, subject_id: str) -> None:
        self.subjects.append(subject_id)
        if self.fail:
            raise RuntimeError


@pytest.fixture
def handled() -> Handled:
    return Handled()


@pytest.fixture
def ready(built: wiring.Wiring, redis_url: str, handled: Handled) -> wiring.Wiring:
    """A platform with one job and a queue."""
    settings = replace(
        built.settings,
        redis=replace(built.settings.redis, url=redis_url),
        jobs=replace(built.settings.jobs, runner="redis", poll_s=0.01),
    )
    runner = JobRunner(built.store, SystemClock(), {"test": handled}, patience=Patience(first_pause=PAUSE))
    return replace(built, settings=settings, runner=runner)


def stage(built: wiring.Wiring, *subjects: str, job: str = "test") -> None:
    with built.store.begin() as tx:
        for subject in subjects:
            outbox.stage(tx, job, subject, due_at=SystemClock().now())


def waiting(built: wiring.Wiring) -> int:
    with built.store.read() as tx:
        return outbox.backlog(tx, SystemClock().now()).waiting


def test_staged_jobs_go_through_the_queue(ready: wiring.Wiring, handled: Handled) -> None:
    stage(ready, "a1", "a2")

    worker.work(ready, burst=True)

    assert sorted(handled.subjects) == ["a1", "a2"]
    assert waiting(ready) == 0


def test_the_queue_carries_a_name_and_an_id_and_nothing_else(ready: wiring.Wiring) -> None:
    stage(ready, "a1")

    with Redis.from_url(ready.settings.redis.url) as connection:
        worker.Relay(ready, connection).hand_over()
        (job,) = Queue(worker.QUEUE, connection=connection, serializer=JSONSerializer).jobs

    assert job.func_name == "ota.worker.run"
    assert list(job.args) == ["test", "a1"]
    assert job.id.startswith("outbox-")
    assert job.retries_left == 2


def test_no_more_is_handed_over_than_is_soon_run(ready: wiring.Wiring) -> None:
    stage(ready, *(f"a{number}" for number in range(130)))

    with Redis.from_url(ready.settings.redis.url) as connection:
        relay = worker.Relay(ready, connection)
        handed = [relay.hand_over() for _ in range(3)]
        queued = relay.queue.count

    assert handed[1:] == [0, 0]
    assert queued == handed[0] < 130
    assert len(ready.runner.claim(limit=200)) == 130 - queued


def test_a_queue_that_lost_everything_only_delays(ready: wiring.Wiring, handled: Handled) -> None:
    stage(ready, "a1")
    with Redis.from_url(ready.settings.redis.url) as connection:
        worker.Relay(ready, connection).hand_over()
        connection.flushdb()
    with ready.store.begin() as tx:  # the lease ends
        tx.execute(outbox.outbox.update().values(leased_until=SystemClock().now()))

    worker.work(ready, burst=True)

    assert handled.subjects == ["a1"]


def test_a_queue_that_is_away_leaves_the_jobs_where_they_were(ready: wiring.Wiring) -> None:
    stage(ready, "a1")

    with Redis.from_url("redis://127.0.0.1:1") as nowhere, pytest.raises(RedisError):
        worker.Relay(ready, nowhere).hand_over()

    (job,) = ready.runner.claim()
    assert job.attempts == 1


def test_a_job_that_fails_is_handed_over_again(ready: wiring.Wiring, handled: Handled) -> None:
    handled.fail = True
    stage(ready, "a1")
    worker.work(ready, burst=True)
    handled.fail = False

    with ready.store.begin() as tx:
        tx.execute(outbox.outbox.update().values(due_at=SystemClock().now() - PAUSE))
    worker.work(ready, burst=True)

    assert handled.subjects == ["a1", "a1"]
    assert waiting(ready) == 0


def test_a_run_until_nothing_is_left_also_takes_what_comes_alone(
    ready: wiring.Wiring, handled: Handled
) -> None:
    """Rows whose holder died come one by one."""
    stage(ready, "a1", "a2", "a3")
    with ready.store.begin() as tx:
        long_ago = SystemClock().now() - timedelta(hours=1)
        tx.execute(outbox.outbox.update().values(leased_until=long_ago, attempts=1))

    worker.work(ready, burst=True)

    assert sorted(handled.subjects) == ["a1", "a2", "a3"]


def test_the_relay_goes_on_when_the_queue_comes_back(
    ready: wiring.Wiring, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = threading.Event()
    handed: list[int] = []
    swept = threading.Event()
    ready = replace(ready, runner=JobRunner(ready.store, SystemClock(), {}, sweeps=(swept.set,)))

    def hand_over(_self: worker.Relay) -> int:
        handed.append(len(handed))
        if len(handed) == 1:
            raise RedisError
        stop.set()
        return 0

    monkeypatch.setattr(worker.Relay, "hand_over", hand_over)
    with Redis.from_url(ready.settings.redis.url) as connection:
        worker.Relay(ready, connection).run_until(stop)

    assert handed == [0, 1]
    assert swept.is_set()


@pytest.mark.parametrize("failure", [None, RedisError], ids=["RQ gives up", "Redis is away"])
def test_a_worker_that_lost_its_queue_begins_again(
    ready: wiring.Wiring, handled: Handled, monkeypatch: pytest.MonkeyPatch, failure: type[RedisError] | None
) -> None:
    stage(ready, "a1")
    really = SimpleWorker.work
    begun: list[object] = []

    def work(self: SimpleWorker, **options: Any) -> bool:
        begun.append(self)
        if len(begun) == 1:
            if failure is not None:
                raise failure
            return False
        return really(self, **options)

    monkeypatch.setattr(SimpleWorker, "work", work)
    with ended_when(lambda: waiting(ready) == 0):
        worker.work(ready)

    assert handled.subjects == ["a1"]
    assert len(begun) == 2


def test_a_queue_that_is_back_is_heard_within_seconds_however_often_it_went(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    with Redis.from_url(redis_url) as connection:
        listener = worker._listener(Queue(worker.QUEUE, connection=connection), threading.Event())
        lost = iter([True] * 20)

        def dequeue(*_: object, **__: object) -> None:
            if next(lost, False):
                raise RedisConnectionError

        monkeypatch.setattr("rq.worker.base.time.sleep", pauses.append)
        monkeypatch.setattr(listener.queue_class, "dequeue_any", dequeue)
        listener.dequeue_job_and_maintain_ttl(1)

    assert len(pauses) == 20
    assert max(pauses) <= 5


def test_a_signal_ends_a_worker_also_while_its_queue_is_away(
    ready: wiring.Wiring, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = threading.Event()

    def work(self: SimpleWorker, **_: Any) -> bool:
        signal.signal(signal.SIGTERM, self.request_stop)
        began.set()
        raise RedisError

    monkeypatch.setattr(SimpleWorker, "work", work)
    with ended_when(began.is_set):
        worker.work(ready)

    assert began.is_set()


def test_a_worker_works_until_a_signal_ends_it(ready: wiring.Wiring, handled: Handled) -> None:
    stage(ready, "a1")

    with ended_when(lambda: waiting(ready) == 0):
        worker.work(ready)

    assert handled.subjects == ["a1"]


@contextmanager
def ended_when(condition: Callable[[], bool]) -> Iterator[None]:
    """Send this process the signal as soon as the condition holds; puts its handlers back."""

    def end() -> None:
        for _ in range(1000):
            if condition():
                break
            threading.Event().wait(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=end)
    thread.start()
    try:
        yield
    finally:
        thread.join()
        signal.signal(signal.SIGTERM, before[0])
        signal.signal(signal.SIGINT, before[1])


def test_what_is_handed_over_later_passes_the_news_that_waits(ready: wiring.Wiring) -> None:
    later = replace(ready, runner=JobRunner(ready.store, SystemClock(), {}, unhurried={"news"}))
    stage(ready, "n1", "n2", job="news")

    with Redis.from_url(ready.settings.redis.url) as connection:
        relay = worker.Relay(later, connection)
        relay.hand_over()
        stage(ready, "r1", "r2")
        relay.hand_over()
        queued = [job.args[1] for job in relay.queue.jobs]

    assert queued[:2] == ["r1", "r2"]
    assert sorted(queued[2:]) == ["n1", "n2"]
