"""Every single fault at every edge: the money arrives all the same, once."""

from __future__ import annotations

from collections import Counter

import pytest

from ota.sandbox.simulation.faults import Fault, Route, Scenario, Strike
from ota.sandbox.simulation.installation import Installation
from ota.sandbox.simulation.practice import Practice
from ota.sandbox.simulation.run import run
from tests.simulation.edges import (
    AT_A_CITY_HOST,
    BACKSTAGE,
    CUSTOMER,
    EDGES,
    TWO_PAYMENTS,
    WHERE_OTHERS_LOAD,
    WHERE_THE_NUMBER_IS_FIXED,
    every_edge,
    every_edge_backstage,
    every_edge_of_a_city_host,
    every_edge_of_a_practice,
)

_CASES = tuple(every_edge())
_BACKSTAGE_CASES = tuple(every_edge_backstage())
_CITY_HOST_CASES = tuple(every_edge_of_a_city_host())
_PRACTICE_CASES = tuple(every_edge_of_a_practice())

_NEEDS_COMPANY = {Fault.HOARDED_ANSWER}
"""What one customer meets after another fault only; seeds bring them together."""


def _name(case: tuple[Route, Strike]) -> str:
    route, strike = case
    return f"{route}-{strike.fault}-{strike.number}"


def _backstage_name(strike: Strike) -> str:
    return f"{strike.actor.replace(' ', '_')}-{strike.fault}-{strike.number}"


def _scenario(route: Route, *strikes: Strike) -> Scenario:
    return Scenario(seed=1, orders=(1,), forced=frozenset(strikes), route=route)


@pytest.mark.parametrize(("route", "strike"), _CASES, ids=map(_name, _CASES))
def test_one_fault_at_one_edge_costs_nobody_a_fen(
    installation: Installation, route: Route, strike: Strike
) -> None:
    outcome = run(installation, _scenario(route, strike), keep_lines=True)

    assert outcome.struck == (strike,)
    assert outcome.ok, "\n".join([outcome.complaint, *outcome.lines])


@pytest.mark.parametrize("strike", _BACKSTAGE_CASES, ids=_backstage_name)
def test_one_fault_backstage_costs_nobody_a_fen(installation: Installation, strike: Strike) -> None:
    outcome = run(installation, _scenario(Route.APP_LATER, TWO_PAYMENTS, strike), keep_lines=True)

    assert set(outcome.struck) == {TWO_PAYMENTS, strike}
    assert outcome.ok, "\n".join([outcome.complaint, *outcome.lines])


def _at_a_city_host(*strikes: Strike) -> Scenario:
    """A seed whose one card is of the city that has a host."""
    return Scenario(seed=5, orders=(1,), forced=frozenset(strikes), route=Route.APP, city_host=True)


@pytest.mark.parametrize("strike", _CITY_HOST_CASES, ids=_backstage_name)
def test_one_fault_of_a_message_to_a_city_host_costs_nobody_a_fen(
    installation: Installation, strike: Strike
) -> None:
    outcome = run(installation, _at_a_city_host(strike), keep_lines=True)

    assert outcome.struck == (strike,)
    assert outcome.ok, "\n".join([outcome.complaint, *outcome.lines])


def test_the_table_names_every_edge_of_a_city_host(installation: Installation) -> None:
    outcome = run(installation, _at_a_city_host())

    met = Counter(strike.fault for strike in outcome.met if strike.actor == "city host")
    assert outcome.ok
    assert met == Counter(AT_A_CITY_HOST), outcome.met


def _in_a_city_of(practice: Practice, *strikes: Strike) -> Scenario:
    """A seed whose one card is of a city with this practice."""
    return Scenario(seed=1, orders=(1,), forced=frozenset(strikes), route=Route.APP, practice=practice)


@pytest.mark.parametrize(
    ("practice", "strike"), _PRACTICE_CASES, ids=lambda value: str(value).replace(" ", "_")
)
def test_one_fault_of_a_citys_own_practice_costs_nobody_a_fen(
    installation: Installation, practice: Practice, strike: Strike
) -> None:
    outcome = run(installation, _in_a_city_of(practice, strike), keep_lines=True)

    loads = sum("somebody else loads" in line and line.endswith("True") for line in outcome.lines)
    assert outcome.struck == (strike,)
    assert bool(loads) == (strike.fault is Fault.LOADED_BY_OTHERS)
    assert outcome.ok, "\n".join([outcome.complaint, *outcome.lines])


@pytest.mark.parametrize("practice", Practice)
def test_the_table_names_every_edge_of_a_practice(installation: Installation, practice: Practice) -> None:
    outcome = run(installation, _in_a_city_of(practice))

    met = Counter(strike.fault for strike in outcome.met)
    assert outcome.ok
    assert met[Fault.LOADED_BY_OTHERS] == WHERE_OTHERS_LOAD * practice.has_others
    assert met[Fault.COLLECTED_ANSWER] == WHERE_THE_NUMBER_IS_FIXED * practice.is_fixed


@pytest.mark.parametrize("route", Route)
def test_the_table_names_every_edge(installation: Installation, route: Route) -> None:
    outcome = run(installation, _scenario(route))

    met = Counter(strike.fault for strike in outcome.met if strike.actor == CUSTOMER)
    assert outcome.ok
    assert met == Counter(EDGES[route]), outcome.met


def test_the_table_names_every_edge_backstage(installation: Installation) -> None:
    outcome = run(installation, _scenario(Route.APP_LATER, TWO_PAYMENTS))

    met = {actor: Counter[Fault]() for actor in BACKSTAGE}
    for strike in outcome.met:
        if strike.actor in met:
            met[strike.actor][strike.fault] += 1
    assert outcome.ok
    assert met == {actor: Counter(counts) for actor, counts in BACKSTAGE.items()}, outcome.met


def test_every_kind_of_fault_has_an_edge() -> None:
    known = {fault for counts in (*EDGES.values(), *BACKSTAGE.values(), AT_A_CITY_HOST) for fault in counts}
    practised = {strike.fault for _, strike in _PRACTICE_CASES}

    assert set(Fault) - known - practised == _NEEDS_COMPANY


def test_the_table_is_large_enough() -> None:
    names = [*map(_name, _CASES), *map(_backstage_name, _BACKSTAGE_CASES)]

    assert len(names) >= 240
    assert len(set(names)) == len(names)
