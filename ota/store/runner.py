"""Runs the outbox's jobs: in a thread of the server, or one by one for a queue's messages."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import groupby

from sqlalchemy.engine import Connection

from ota.core.clock import Clock
from ota.core.errors import OtaError
from ota.store import outbox
from ota.store.outbox import DueJob, Patience, Unhurried
from ota.store.phases import Store

_log = logging.getLogger(__name__)

Handler = Callable[[str], None]
"""Does one job for the subject with this id. May be called again for the same one, also after it succeeded."""

Sweep = Callable[[], object]
"""Finds work in the tables themselves and stages or does it; called every minute, by several processes."""

_SWEEP_EVERY_S = 60.0
_UNHURRIED_SHARE = 5
_LONGEST_PAUSE_S = 30.0


class JobRunner:
    """Claims due rows, calls their handlers, and notes how it went."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        handlers: Mapping[str, Handler],
        sweeps: Sequence[Sweep] = (),
        patience: Patience | None = None,
        count: Callable[[str, str], None] = lambda _job, _outcome: None,
        unhurried: Collection[str] = (),
    ) -> None:
        """``count`` is told each run's job and outcome (done, failed or dead), for the metrics.

        ``unhurried`` jobs go after all others.
        """
        self._store = store
        self._clock = clock
        self._handlers = handlers
        self._sweeps = sweeps
        self._patience = patience or Patience()
        self._count = count
        self._unhurried = frozenset(unhurried)

    @property
    def jobs(self) -> frozenset[str]:
        """The names of the jobs that have a handler."""
        return frozenset(self._handlers)

    def is_unhurried(self, job: str) -> bool:
        """Whether jobs of this name go after all others."""
        return job in self._unhurried

    def run_due(self, limit: int = 20) -> int:
        """Run what is due now; returns how many rows were taken: more may be due even if it is fewer than ``limit``."""
        jobs = self.claim(limit)
        for (_, job, subject_id), rows in groupby(sorted(jobs, key=self._turn), key=self._turn):
            self._run(job, subject_id, list(rows))
        return len(jobs)

    def run_subject(self, job: str, subject_id: str) -> None:
        """Run one job for one subject if it is due: what a message of the queue asks for."""
        with self._store.read() as tx:
            rows = outbox.due_of_subject(tx, job, subject_id, self._clock.now())
        if rows:
            self._run(job, subject_id, rows)

    def claim(self, limit: int = 20) -> list[DueJob]:
        """Take due rows without running them; look first, so that an idle process locks nothing.

        The unhurried come last. They get the room that is left, and a fifth of the ``limit`` beside it where none is.
        """
        now = self._clock.now()
        behind = Unhurried(self._unhurried, max(1, limit // _UNHURRIED_SHARE))
        with self._store.read() as tx:
            if not outbox.anything_due(tx, now):
                return []
        with self._store.begin() as tx:
            buried = outbox.bury(tx, now, self._patience)
            claimed = outbox.claim_due(tx, now, self._patience, limit=limit, unhurried=behind)
        for job in buried:
            self._mourn(job)
        return claimed

    def sweep(self) -> None:
        """Call every sweep; one that fails does not stop the others."""
        for sweep in self._sweeps:
            try:
                sweep()
            except Exception:  # noqa: BLE001  whatever it is, the work goes on and the log says why
                _log.exception("a sweep failed; it is called again in a minute")

    def run_until(self, stop: threading.Event, poll_s: float) -> None:
        """Run due jobs and sweep until told to stop; when the database is away, ask ever less often."""
        pause, swept = poll_s, float("-inf")
        while not stop.is_set():
            try:
                if time.monotonic() - swept >= _SWEEP_EVERY_S:
                    self.sweep()
                    swept = time.monotonic()
                pause = 0.0 if self.run_due() else poll_s
            except OtaError:
                pause = min(_LONGEST_PAUSE_S, max(pause, poll_s) * 2)
            except Exception:  # noqa: BLE001  whatever it is, the work goes on and the log says why
                _log.exception("the job loop met something unexpected and goes on")
                pause = _LONGEST_PAUSE_S
            stop.wait(pause)

    def _run(self, job: str, subject_id: str, rows: Sequence[DueJob]) -> None:
        try:
            self._handlers[job](subject_id)
        except Exception as error:  # noqa: BLE001  any failure is noted and tried again
            _log.exception("job %s for %s failed, try %d", job, subject_id, rows[0].attempts)
            self._fail(rows, type(error).__name__)
        else:
            with self._store.begin() as tx:
                outbox.finish(tx, rows)
            self._count(job, "done")

    def _fail(self, rows: Sequence[DueJob], error: str) -> None:
        with self._store.begin() as tx:
            dead = [self._note(tx, row, error) for row in rows]
        if any(dead):
            self._mourn(rows[0])
        else:
            self._count(rows[0].job, "failed")

    def _mourn(self, job: DueJob) -> None:
        self._count(job.job, "dead")
        _log.critical("job %s for %s is dead: a person must look", job.job, job.subject_id)

    def _note(self, tx: Connection, row: DueJob, error: str) -> bool:
        return outbox.fail(tx, row, self._clock.now(), self._patience, error=error)

    def _turn(self, job: DueJob) -> tuple[bool, str, str]:
        return job.job in self._unhurried, job.job, job.subject_id
