"""Seeds with their own choice of faults: nothing is lost, nothing is doubled, everything converges."""

from __future__ import annotations

import pytest

from ota.sandbox.simulation.faults import Fault, Scenario
from ota.sandbox.simulation.installation import Installation
from ota.sandbox.simulation.run import run, scenario_of

SEEDS = range(200)
ORDERS = 20


@pytest.mark.parametrize("seed", SEEDS)
def test_a_seed_keeps_every_promise(installation: Installation, seed: int) -> None:
    outcome = run(installation, scenario_of(seed, ORDERS), keep_lines=True)

    assert outcome.ok, "\n".join([outcome.complaint, *outcome.lines])
    assert (outcome.verdict.lost_fen, outcome.verdict.doubled_fen) == (0, 0)


def test_the_same_seed_gives_the_same_trace_twice(installation: Installation) -> None:
    scenario = scenario_of(7, ORDERS)

    first, again = (run(installation, scenario, keep_lines=True) for _ in range(2))

    assert first.lines == again.lines
    assert first.trace_hash == again.trace_hash


def test_another_seed_gives_another_trace(installation: Installation) -> None:
    hashes = {run(installation, scenario_of(seed, 2)).trace_hash for seed in range(3)}

    assert len(hashes) == 3


def test_without_faults_every_order_is_loaded_at_the_first_contact(installation: Installation) -> None:
    outcome = run(installation, Scenario(3, (1, 2, 3), faults=frozenset()), keep_lines=True)

    assert outcome.ok
    assert outcome.struck == ()
    assert sum(line.endswith(" fen loaded") for line in outcome.lines) == 3


def test_with_every_fault_at_once_everything_still_converges(installation: Installation) -> None:
    outcome = run(installation, Scenario(11, tuple(range(1, 9)), faults=frozenset(Fault)), keep_lines=True)

    assert outcome.ok, "\n".join([outcome.complaint, *outcome.lines])
    assert len({strike.fault for strike in outcome.struck}) >= 15
