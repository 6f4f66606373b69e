"""The worker's door: hands the outbox to RQ and runs what comes back (``ota worker``).

Redis only carries a job's name and its subject's id. What it loses is handed over again when the row's lease ends.
"""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from functools import cache

from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, Retry, SimpleWorker
from rq.exceptions import StopRequested
from rq.serializers import JSONSerializer

from ota import settings as configuration
from ota import wiring
from ota.core.errors import OtaError
from ota.settings import Settings
from ota.store import outbox
from ota.store.outbox import DueJob

_log = logging.getLogger(__name__)

QUEUE = "ota"
_RETRY = Retry(max=2)
_RESULT_LIFE_S = 0  # the outcome is in the database
_FAILURE_LIFE_S = 24 * 3600
_LONGEST_PAUSE_S = 30.0
_LONGEST_WAIT_FOR_REDIS_S = 4.0
_MOST_QUEUED = 50


def run(name: str, subject_id: str) -> None:
    """The one function that the queue calls: the job's handler, if the outbox still holds a due row for it."""
    _built().runner.run_subject(name, subject_id)


def work(built: wiring.Wiring, *, burst: bool = False) -> None:
    """Relay and run jobs until a signal ends it; ``burst`` returns when nothing is left."""
    _built.cache_clear()
    _installed[:] = [built]
    stop = threading.Event()
    with Redis.from_url(built.settings.redis.url) as connection:
        relay = Relay(built, connection)
        if burst:
            while relay.hand_over():  # a row that may have ended a process comes alone, and others after it
                _listener(relay.queue, threading.Event()).work(burst=True)
            _listener(relay.queue, threading.Event()).work(burst=True)
            return
        thread = threading.Thread(target=relay.run_until, args=(stop,), name="relay", daemon=True)
        thread.start()
        try:
            _listen(relay.queue, built.settings)
        finally:
            stop.set()
            thread.join(5)


def _listen(queue: Queue, settings: Settings) -> None:
    """Run what the queue hands out until a signal ends it.

    RQ ends its own loop when Redis goes away while a job finishes, and cannot begin while Redis is away: begin again.
    """
    ended = threading.Event()
    while not ended.is_set():
        # A signal between two listeners reaches the last one, which answers it with StopRequested.
        with suppress(RedisError, StopRequested):
            _listener(queue, ended).work(logging_level=settings.log.level)
        with suppress(RedisError, StopRequested):
            ended.wait(settings.jobs.poll_s)


def _listener(queue: Queue, ended: threading.Event) -> _Listener:
    listener = _Listener([queue], connection=queue.connection, serializer=JSONSerializer)
    listener.ended = ended
    return listener


class _Listener(SimpleWorker):
    """RQ's worker in this process, not in a fork of it: the wiring and its HSM session are built once."""

    ended: threading.Event
    """Set when a signal told it to end."""

    # RQ doubles its pause with every loss of Redis since the last job, up to a minute: a queue that is back would wait.
    max_connection_wait_time = _LONGEST_WAIT_FOR_REDIS_S

    def handle_warm_shutdown_request(self) -> None:
        """Called by RQ's signal handler before anything else, so also while Redis is away."""
        self.ended.set()
        super().handle_warm_shutdown_request()  # type: ignore[no-untyped-call]  # RQ's


class Relay:
    """Moves due rows of the outbox to the queue; they stay in the outbox, leased, until they are done."""

    def __init__(self, built: wiring.Wiring, connection: Redis) -> None:
        self._built = built
        self.queue = Queue(QUEUE, connection=connection, serializer=JSONSerializer)

    def hand_over(self) -> int:
        """Enqueue what is due now; returns how many. Raises RedisError after giving the rows back.

        Never more than is soon run: what waits in the queue beyond its lease is handed over again, and run twice.
        """
        room = _MOST_QUEUED - self.queue.count
        jobs = self._built.runner.claim(limit=room) if room > 0 else []
        try:
            for job in reversed(jobs):  # most go to the front, so that the last one is the first
                self._enqueue(job)
        except RedisError:
            with self._built.store.begin() as tx:
                outbox.give_back(tx, jobs)
            raise
        return len(jobs)

    def run_until(self, stop: threading.Event) -> None:
        """Hand over and sweep until told to stop; when Redis or the database is away, ask ever less often."""
        poll_s = pause = self._built.settings.jobs.poll_s
        sweeps = threading.Thread(target=self._sweep_until, args=(stop,), name="sweeps", daemon=True)
        sweeps.start()
        while not stop.is_set():
            try:
                pause = 0.0 if self.hand_over() else poll_s
            except (RedisError, OtaError) as error:
                pause = min(_LONGEST_PAUSE_S, max(pause, poll_s) * 2)
                what = "Redis (redis.url)" if isinstance(error, RedisError) else "the database"
                _log.warning("jobs wait: %s cannot be reached, asked again in %g s: %s", what, pause, error)
                _log.debug("where it was noticed", exc_info=error)
            stop.wait(pause)
        sweeps.join(5)

    def _sweep_until(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self._built.runner.sweep()
            stop.wait(60)

    def _enqueue(self, job: DueJob) -> None:
        self.queue.enqueue(
            "ota.worker.run",
            job.job,
            job.subject_id,
            job_id=f"outbox-{job.id}-{job.attempts}",
            at_front=not self._built.runner.is_unhurried(job.job),
            retry=_RETRY,
            job_timeout=self._built.settings.jobs.lease_s,
            result_ttl=_RESULT_LIFE_S,
            failure_ttl=_FAILURE_LIFE_S,
        )


_installed: list[wiring.Wiring] = []


@cache
def _built() -> wiring.Wiring:
    """What ``work`` was given; a bare ``rq worker`` builds it from the environment."""
    return _installed[0] if _installed else wiring.build(configuration.load())
