"""Rules that are known to be wrong: each is put into the product, and the simulation must notice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pytest

from ota.sandbox.simulation.faults import Fault, Scenario
from ota.sandbox.simulation.installation import Installation
from ota.sandbox.simulation.mutants import MUTANTS
from ota.sandbox.simulation.practice import Practice
from ota.sandbox.simulation.run import run

SEEDS: Final = range(20)
ORDERS: Final = tuple(range(1, 9))
PACE: Final = 3.0

PROVOKED_BY: Final[Mapping[str, frozenset[Fault]]] = {
    "balance-comparison": frozenset({Fault.PURCHASE, Fault.TORN_AFTER_WRITE, Fault.PHONE_FORGETS}),
    "time-out-refund": frozenset({Fault.PHONE_FORGETS, Fault.TORN_AFTER_WRITE}),
    "stale-init-accepted": frozenset(
        {Fault.REPORT_HELD_BACK, Fault.TORN_BEFORE_WRITE, Fault.TORN_AFTER_WRITE, Fault.OLD_ANSWER}
    ),
    "challenge-answered-twice": frozenset(
        {Fault.HOARDED_ANSWER, Fault.SECOND_TERMINAL, Fault.PHONE_DIES, Fault.TORN_BEFORE}
    ),
    "mac2-before-commit": frozenset(),
    "denial-unrefuted": frozenset({Fault.COLLECTED_ANSWER}),
    "others-forgotten": frozenset({Fault.LOADED_BY_OTHERS, Fault.TORN_BEFORE_WRITE, Fault.PHONE_DIES}),
    "jump-unnoticed": frozenset({Fault.LOADED_BY_OTHERS, Fault.TORN_BEFORE_WRITE, Fault.PHONE_DIES}),
    "tac-unchecked": frozenset({Fault.FALSE_SUCCESS}),
    "card-lock-removed": frozenset({Fault.HSM_SLOW, Fault.SECOND_TERMINAL, Fault.SECOND_PHONE}),
    "posting-not-unique": frozenset({Fault.NOTICE_TWICE}),
    "notice-amount-unchecked": frozenset({Fault.AMOUNT_WRONG}),
    "surplus-unbooked": frozenset({Fault.AMOUNT_WRONG, Fault.PAID_TWICE}),
    "one-citys-books": frozenset(),
    "trail-unchained": frozenset({Fault.REFUND_ASKED, Fault.PHONE_DIES}),
    "yuan-as-float": frozenset(),
    "day-cut-by-wall-clock": frozenset(),
    "replay-store-off": frozenset({Fault.TOKEN_REPLAYED}),
    "seq-unchecked": frozenset({Fault.WRONG_SEQ}),
    "key-version-ignored": frozenset({Fault.CARD_KEY_ROTATED}),
    "key-state-unasked": frozenset({Fault.CARD_KEY_ROTATED}),
    "city-host-untold": frozenset({Fault.CITY_HOST_DOWN, Fault.CITY_HOST_LATE}),
    "one-person-decides": frozenset({Fault.STAFF_DECIDES, Fault.PHONE_FORGETS}),
    "decision-of-any-attempt": frozenset(
        {Fault.STAFF_DECIDES, Fault.PHONE_FORGETS, Fault.TORN_BEFORE_WRITE, Fault.TORN_AFTER_WRITE}
    ),
}
"""The faults that show each wrong rule soonest, so that few seeds are enough; a campaign finds it among all others."""

PRACTISED_IN: Final[Mapping[str, Practice]] = {
    "denial-unrefuted": Practice.FIXED_NUMBER_OTHERS_LOAD,
    "others-forgotten": Practice.OTHERS_LOAD,
    "jump-unnoticed": Practice.STRANGERS_LOAD,
}
"""How cards are loaded where a wrong rule shows; as usual for all others."""


def _scenario(name: str, seed: int, orders: tuple[int, ...], pace: float | None = None) -> Scenario:
    practice = PRACTISED_IN.get(name, Practice.USUAL)
    return Scenario(seed, orders, faults=PROVOKED_BY[name], pace=pace, practice=practice)


@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_rule_is_found(installation: Installation, name: str) -> None:
    scenarios = [_scenario(name, seed, ORDERS, PACE) for seed in SEEDS]

    with MUTANTS[name].put_in():
        outcomes = (run(installation, scenario) for scenario in scenarios)
        found = next((outcome for outcome in outcomes if not outcome.ok), None)

    assert found is not None
    assert "was answered 500" not in found.complaint or name == "card-lock-removed"


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_gone_when_it_is_taken_out(installation: Installation, name: str) -> None:
    scenario = _scenario(name, 0, (1, 2))

    with MUTANTS[name].put_in():
        run(installation, scenario)
    outcome = run(installation, scenario)

    assert outcome.ok, outcome.complaint


def test_every_mutant_has_faults_that_provoke_it() -> None:
    assert PROVOKED_BY.keys() == MUTANTS.keys()
