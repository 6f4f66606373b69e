"""One run of one scenario, from a fresh database to the verdict."""

from __future__ import annotations

from ota.sandbox.simulation.entropy import seeded_entropy
from ota.sandbox.simulation.faults import Scenario
from ota.sandbox.simulation.installation import Installation
from ota.sandbox.simulation.world import Outcome, World


def scenario_of(seed: int, orders: int) -> Scenario:
    """A seed with its own choice of faults and so many orders."""
    return Scenario(seed, tuple(range(1, orders + 1)))


def run(installation: Installation, scenario: Scenario, *, keep_lines: bool = False) -> Outcome:
    """Let a scenario happen; the same one gives the same outcome, line by line."""
    with installation.at_work():
        world = World(installation, scenario, keep_lines=keep_lines)
        with seeded_entropy(scenario.seed, world.clock):
            return world.run()
