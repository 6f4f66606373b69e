"""Carries out a plan: waits until a strike is due and its victim has recovered from the last one, then strikes."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from chaos.database import Database, Disk
from chaos.phones import Work
from chaos.plan import Blow, Strike
from chaos.platform import JobWorker, Queue, Web
from chaos.program import Program
from chaos.relay import Relay

PHONES, DATABASE = "phones", "database"
_POLL_S: Final = 0.02
_DELAY_S: Final = (0.05, 0.25)
_DELAYED_FOR_S: Final = 1.0
_FULL_FOR_S: Final = 2.0
STANDSTILL_S: Final = 90.0


class Standstill(Exception):
    """Nothing arrives any more although nothing is being done to the platform."""


@dataclass
class Storm:
    """The platform's parts, and what has been done to them."""

    webs: Sequence[Web]
    worker: JobWorker
    queue: Queue
    database: Database
    disk: Disk
    relay: Relay
    work: Work
    struck: Counter[Blow] = field(default_factory=Counter)

    @property
    def programs(self) -> list[Program]:
        """Everything that can be killed."""
        return [*self.webs, self.worker, self.queue, self.database]

    def rage(self, plan: Sequence[Strike], tell: Callable[[], object]) -> None:
        """Strike after strike; ``tell`` is called all the while. Raises Standstill."""
        for strike in plan:
            self._wait(partial(self._is_due, strike), tell)
            self._blows[strike.blow](strike)
            self.struck[strike.blow] += 1
        self.work.storm_over.set()
        self._wait(lambda: self.work.done >= self.work.topups, tell)

    def heal(self) -> None:
        """Take every trouble away; what was killed comes back by itself, and phones come to an end."""
        self.work.storm_over.set()
        self.disk.clear()
        self.relay.delay(PHONES, 0, 0)
        self.relay.delay(DATABASE, 0, 0)

    def _is_due(self, strike: Strike) -> bool:
        """So many top-ups have arrived, and the victim has recovered."""
        victim = self._victim(strike)
        return self.work.done >= strike.after and (victim is None or victim.up)

    def _wait(self, condition: Callable[[], bool], tell: Callable[[], object]) -> None:
        done, since = self.work.done, time.monotonic()
        while not condition():
            tell()
            time.sleep(_POLL_S)
            if self.work.done != done:
                done, since = self.work.done, time.monotonic()
            if time.monotonic() - since > STANDSTILL_S:
                away = ", ".join(program.name for program in self.programs if not program.up) or "nothing"
                raise Standstill(f"no top-up has arrived for {STANDSTILL_S:.0f} s; away: {away}")

    def _victim(self, strike: Strike) -> Program | None:
        if strike.blow in (Blow.WEB_WORKER, Blow.WEB_SERVER):
            return self._web(strike)
        return {
            Blow.JOB_WORKER: self.worker,
            Blow.REDIS: self.queue,
            Blow.POSTGRES_BACKEND: self.database,
            Blow.POSTMASTER: self.database,
            Blow.DISK_FULL: self.database,
            Blow.FSYNC_ERROR: self.database,
        }.get(strike.blow)

    def _web(self, strike: Strike) -> Web:
        return self.webs[int(strike.luck * len(self.webs))]

    @property
    def _blows(self) -> Mapping[Blow, Callable[[Strike], None]]:
        low, high = _DELAY_S
        return {
            Blow.WEB_WORKER: lambda strike: self._web(strike).kill_worker(),
            Blow.WEB_SERVER: lambda strike: self._web(strike).kill_server(),
            Blow.JOB_WORKER: lambda _: self.worker.kill(),
            Blow.REDIS: lambda _: self.queue.kill(),
            Blow.POSTGRES_BACKEND: lambda strike: self.database.kill_backend(strike.luck),
            Blow.POSTMASTER: lambda _: self.database.kill(),
            Blow.CUT_PHONES: lambda _: self.relay.cut(PHONES),
            Blow.CUT_DATABASE: lambda _: self.relay.cut(DATABASE),
            Blow.DELAY_PHONES: lambda strike: self.relay.delay(
                PHONES, low + (high - low) * strike.luck, _DELAYED_FOR_S
            ),
            Blow.DELAY_DATABASE: lambda strike: self.relay.delay(DATABASE, low * strike.luck, _DELAYED_FOR_S),
            Blow.DISK_FULL: lambda _: self._fill(),
            Blow.FSYNC_ERROR: lambda _: self.database.refuse_fsync(),
        }

    def _fill(self) -> None:
        """Full for a while; how long PostgreSQL is away counts from when there is room again."""
        self.disk.fill()
        threading.Event().wait(_FULL_FOR_S)
        self.disk.clear()
        self.database.miss("disk_full")
