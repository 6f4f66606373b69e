"""How operations replace the card keys in a run, step by step, as operations.md tells it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final, Protocol

from ota.cities.loader import Cities
from ota.cities.profile import KeyVersions
from ota.hsm_adapter.keys import CARD_ALGORITHMS, KeyState
from ota.sandbox.simulation.faults import Luck
from ota.sandbox.simulation.masters import FIRST, SECOND, ChangingKeys
from ota.sandbox.simulation.schedule import Pause, Steps
from ota.sandbox.simulation.trace import Trace
from ota.sandbox.simulation.truth import Truth

_BETWEEN_S: Final = (30.0, 400.0)
_PATIENCE_S: Final = 10.0
_CLOSES: Final = 0.6


class Stage(IntEnum):
    """How far the change has come."""

    FIRST_ONLY = 0
    SECOND_KNOWN = 1
    """Cards of both versions are served, new ones get the first."""
    SECOND_ISSUED = 2
    """New cards get the second version."""
    FIRST_CLOSED = 3
    """Cards of the first version are not loaded any more; what was authorised before is still decided."""


_VERSIONS: Final = {
    Stage.FIRST_ONLY: (FIRST,),
    Stage.SECOND_KNOWN: (FIRST, SECOND),
    Stage.SECOND_ISSUED: (SECOND, FIRST),
    Stage.FIRST_CLOSED: (SECOND, FIRST),
}


class Restarted(Protocol):
    """A process, as operations see it."""

    stage: Stage
    busy: bool

    def start(self) -> None:
        """Build everything anew."""
        ...


def cities_of_stages(cities: Cities) -> dict[Stage, Cities]:
    """The cities' files at each stage."""
    return {stage: _listing(cities, versions) for stage, versions in _VERSIONS.items()}


@dataclass
class Rotation:
    """The change of keys in one run. ``stage`` is what a process finds that starts now."""

    keys: ChangingKeys
    stages: dict[Stage, Cities]
    truth: Truth
    trace: Trace
    stage: Stage = Stage.FIRST_ONLY
    _is_under_way: bool = False

    @property
    def cities(self) -> Cities:
        """The cities' files as they are now."""
        return self.stages[self.stage]

    def steps(self, processes: Sequence[Restarted], luck: Luck) -> Steps[None]:
        """The whole change, once in a run; each step waits until every process has taken over the one before."""
        if self._is_under_way:
            return
        self._is_under_way = True
        closes = luck.choice.random() < _CLOSES
        for stage in (Stage.SECOND_KNOWN, Stage.SECOND_ISSUED, *((Stage.FIRST_CLOSED,) if closes else ())):
            self.reach(stage)
            while _restart(processes, stage):
                yield Pause(_PATIENCE_S)
            self._everywhere(stage)
            yield Pause(luck.choice.uniform(*_BETWEEN_S))

    def reach(self, stage: Stage) -> None:
        """Change states and files; processes that start from now on know it."""
        self.trace.note("operator", f"changes the card keys: {stage.name.lower()}")
        self.stage = stage
        if stage is Stage.SECOND_KNOWN:
            self.keys.change(self.keys.second(), KeyState.ACTIVE)
            self.truth.known_version = SECOND
        if stage is Stage.FIRST_CLOSED:
            self.keys.change(self.keys.of_loads(FIRST), KeyState.VERIFY_ONLY)

    def finish(self) -> None:
        """All is calm: cards of either version are served."""
        if self.stage < Stage.SECOND_KNOWN:
            self.reach(Stage.SECOND_KNOWN)

    def _everywhere(self, stage: Stage) -> None:
        if stage is Stage.SECOND_ISSUED:
            self.truth.issued_version = SECOND


def _restart(processes: Sequence[Restarted], stage: Stage) -> bool:
    """Restart who is behind and idle; whether somebody is still behind."""
    for process in processes:
        if process.stage < stage and not process.busy:  # one that is busy is given the time to finish
            process.start()
    return any(process.stage < stage for process in processes)


def _listing(cities: Cities, versions: Sequence[int]) -> Cities:
    generations = tuple(KeyVersions(load=version, others=version) for version in versions)
    listed = dict.fromkeys(sorted(CARD_ALGORITHMS), generations)
    return Cities(replace(city, keys=replace(city.keys, versions=listed)) for city in cities)
