"""Virtual time: a heap of things to come, and actors that are written as generators."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final, TypeVar

START: Final = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
"""When virtual time begins, unless a seed begins some hours later: a Monday, two in the afternoon in Guangdong."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Pause:
    """An actor waits so many seconds."""

    seconds: float


Steps = Generator[Any, Any, Result]
"""An actor: yields a Pause or something that the carrier knows, and is sent what came of it."""

Act = Callable[[], None]


class VirtualClock:
    """The platform's clock: virtual time, which may be set wrong by ``skew_s``."""

    def __init__(self, hours_later: int = 0) -> None:
        self._start = START + timedelta(hours=hours_later)
        self.elapsed_s = 0.0
        self.skew_s = 0.0

    def now(self) -> datetime:
        """What the platform believes."""
        return self.true_now() + timedelta(seconds=self.skew_s)

    def true_now(self) -> datetime:
        """What everybody else's clock says."""
        return self._start + timedelta(seconds=self.elapsed_s)

    def time_ns(self) -> int:
        """The platform's time in nanoseconds since 1970, as `time.time_ns`."""
        return int(self.now().timestamp() * 1000) * 1_000_000


@dataclass(order=True, slots=True)
class Coming:
    """One thing to come. ``urgent`` things are requests on their way: they may be taken out of turn."""

    at_s: float
    number: int
    act: Act = field(compare=False)
    urgent: bool = field(compare=False, default=False)


class Schedule:
    """Runs what is due in the order of time; equal times in the order of planning."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self._heap: list[Coming] = []
        self._planned = 0
        self._carry: Callable[[Any, Callable[[Any], None]], None] = _nobody_carries

    def carry_by(self, carrier: Callable[[Any, Callable[[Any], None]], None]) -> None:
        """Tell who fulfils what actors yield besides pauses."""
        self._carry = carrier

    def after(self, seconds: float, act: Act, *, urgent: bool = False) -> None:
        """Plan something."""
        self._planned += 1
        heapq.heappush(self._heap, Coming(self.clock.elapsed_s + seconds, self._planned, act, urgent))

    def start(self, seconds: float, steps: Steps[object]) -> None:
        """Let an actor begin after so many seconds."""
        self.after(seconds, partial(self._resume, steps, None))

    def run_next(self) -> bool:
        """Do the next thing; False when there is none."""
        if not self._heap:
            return False
        self._do(heapq.heappop(self._heap))
        return True

    def run_for(self, seconds: float) -> None:
        """Do what is due within so many seconds."""
        end_s = self.clock.elapsed_s + seconds
        while self._heap and self._heap[0].at_s <= end_s:
            self.run_next()
        self.clock.elapsed_s = max(self.clock.elapsed_s, end_s)

    def overtake(self, within_s: float) -> bool:
        """Do the next request that would arrive within so many seconds, out of turn; False when there is none."""
        limit = self.clock.elapsed_s + within_s
        soon = [coming for coming in self._heap if coming.urgent and coming.at_s <= limit]
        if not soon:
            return False
        chosen = min(soon)
        self._heap.remove(chosen)
        heapq.heapify(self._heap)
        self._do(chosen)
        return True

    def _do(self, coming: Coming) -> None:
        self.clock.elapsed_s = max(self.clock.elapsed_s, coming.at_s)
        coming.act()

    def _resume(self, steps: Steps[object], value: object) -> None:
        try:
            wish = steps.send(value)
        except StopIteration:
            return
        if isinstance(wish, Pause):
            self.after(wish.seconds, partial(self._resume, steps, None))
        else:
            self._carry(wish, partial(self._resume, steps))


def _nobody_carries(wish: object, _resume: Callable[[Any], None]) -> None:
    raise TypeError(f"nobody fulfils {wish!r}")
