"""Finds a short way to the same broken promise: orders, kinds of faults and single faults are left out one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from ota.sandbox.simulation.faults import Scenario
from ota.sandbox.simulation.practice import Practice
from ota.sandbox.simulation.world import Outcome

MOST_RUNS: Final = 150

Try = Callable[[Scenario], Outcome]


def shrink(failed: Outcome, attempt: Try, most_runs: int = MOST_RUNS) -> Outcome:
    """The shortest failing outcome found within so many runs; ``attempt`` runs a scenario."""
    best, runs = failed, 0
    shorter = True
    while shorter:
        shorter = False
        for candidate in _smaller(best):
            if runs >= most_runs:
                return best
            runs += 1
            outcome = attempt(candidate)
            if not outcome.ok and _size(outcome) < _size(best):
                best, shorter = outcome, True
                break
    return best


def _smaller(outcome: Outcome) -> Iterator[Scenario]:
    """Scenarios with less in them, the boldest first."""
    scenario = outcome.scenario
    orders = scenario.orders
    if scenario.habit is not Practice.USUAL:
        yield replace(scenario, practice=Practice.USUAL)
    half = len(orders) // 2
    if half:
        yield replace(scenario, orders=orders[:half])
        yield replace(scenario, orders=orders[half:])
    for left_out in orders if len(orders) > 1 else ():
        yield replace(scenario, orders=tuple(order for order in orders if order != left_out))
    kinds = frozenset(strike.fault for strike in outcome.struck)
    for kind in sorted(kinds):
        yield replace(scenario, faults=kinds - {kind})
    for strike in outcome.struck:
        yield replace(scenario, spared=scenario.spared | {strike})


def _size(outcome: Outcome) -> tuple[int, bool, int, int]:
    scenario = outcome.scenario
    is_unusual = scenario.habit is not Practice.USUAL
    return len(scenario.orders), is_unusual, len(outcome.struck), len(outcome.lines)
