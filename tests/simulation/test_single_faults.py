"""Every single fault at every edge: the money arrives all the same, once."""

from __future__ import annotations

from collections import Counter

import pytest

from ota.sandbox.simulation.faults import Route, Scenario, Strike
from ota.sandbox.simulation.installation import Installation
from ota.sandbox.simulation.run import run
from tests.simulation.edges import CUSTOMER, EDGES, every_edge

_CASES = tuple(every_edge())


def _name(case: tuple[Route, Strike]) -> str:
    route, strike = case
    return f"{route}-{strike.fault}-{strike.number}"


def _scenario(route: Route, *strikes: Strike) -> Scenario:
    return Scenario(seed=1, orders=(1,), forced=frozenset(strikes), route=route)


@pytest.mark.parametrize(("route", "strike"), _CASES, ids=map(_name, _CASES))
def test_one_fault_at_one_edge_costs_nobody_a_fen(
    installation: Installation, route: Route, strike: Strike
) -> None:
    outcome = run(installation, _scenario(route, strike), keep_lines=True)

    assert outcome.struck == (strike,)
    assert outcome.ok, "\n".join([outcome.complaint, *outcome.lines])


@pytest.mark.parametrize("route", Route)
def test_the_table_names_every_edge(installation: Installation, route: Route) -> None:
    outcome = run(installation, _scenario(route))

    met = Counter(strike.fault for strike in outcome.met if strike.actor == CUSTOMER)
    assert outcome.ok
    assert met == Counter(EDGES[route]), outcome.met


def test_the_table_is_large_enough() -> None:
    assert len(_CASES) >= 240
    assert len(set(map(_name, _CASES))) == len(_CASES)
