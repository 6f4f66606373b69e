"""The database goes back to an earlier moment in the middle of everything; what the product does about it is needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final
from unittest.mock import patch

import pytest

from ota.sandbox.simulation import city_host
from ota.sandbox.simulation.faults import Fault, Route, Scenario, Strike
from ota.sandbox.simulation.installation import Installation
from ota.sandbox.simulation.practice import Practice
from ota.sandbox.simulation.run import run
from ota.topup import restored

FAULTS: Final = frozenset({Fault.RESTORE, Fault.PHONE_DIES, Fault.TORN_AFTER_WRITE, Fault.NOTICE_LATE})
"""A restore while loads are in doubt, and notices on their way."""


def troubled(seed: int) -> Scenario:
    return Scenario(seed, tuple(range(1, 13)), faults=FAULTS, pace=6.0, practice=Practice.USUAL)


@pytest.mark.parametrize("seed", [0, 6, 7, 9, 13])
def test_what_a_restore_forgets_is_neither_lost_nor_doubled(installation: Installation, seed: int) -> None:
    outcome = run(installation, troubled(seed), keep_lines=True)

    assert [strike.fault for strike in outcome.struck].count(Fault.RESTORE) == 1
    assert outcome.ok, "\n".join([outcome.complaint, *outcome.lines])


WAYS: Final[Mapping[str, Scenario]] = {
    "a frozen card lets a forgotten order in late, and its payment after it": Scenario(
        625, (3, 4, 12, 15, 16, 19)
    ),
    "a card speaks against an order that people released": Scenario(616, (7, 9, 15, 16, 17, 19, 20)),
}
"""Seeds whose own faults lead to what one restore leaves behind."""


@pytest.mark.parametrize("way", WAYS)
def test_what_a_restore_leaves_behind_finds_an_end(installation: Installation, way: str) -> None:
    outcome = run(installation, WAYS[way], keep_lines=True)

    assert [strike.fault for strike in outcome.struck].count(Fault.RESTORE) == 1
    assert outcome.ok, "\n".join([outcome.complaint, *outcome.lines])


CITIES: Final = {
    "its city keeps a forgotten load that is on the card": Scenario(7, (6, 11)),
    "its city keeps a forgotten load open that is not on the card": Scenario(157, (5, 9, 10)),
    "its city had voided the load that two people name for one that was forgotten": Scenario(
        1099, (1, 7, 16, 19)
    ),
    "its city had voided a load that two people gave back": Scenario(59, (8, 10, 12, 15, 20)),
}
"""The same where one city answers for its cards itself."""


@pytest.mark.parametrize("way", CITIES)
def test_what_a_city_remembers_of_before_a_restore_finds_an_end(installation: Installation, way: str) -> None:
    outcome = run(installation, CITIES[way], keep_lines=True)

    assert CITIES[way].has_city_host
    assert [strike.fault for strike in outcome.struck].count(Fault.RESTORE) == 1
    assert outcome.ok, "\n".join([outcome.complaint, *outcome.lines])


def test_a_city_that_looks_at_no_card_after_a_restore_is_found_out(installation: Installation) -> None:
    with patch.object(city_host, "compare", _nothing):
        outcome = run(installation, CITIES["its city keeps a forgotten load that is on the card"])

    assert not outcome.ok


@pytest.mark.parametrize("route", Route)
@pytest.mark.parametrize("number", [1, 3])
def test_a_restore_at_any_moment_costs_no_customer_a_fen(
    installation: Installation, route: Route, number: int
) -> None:
    strike = Strike("operator", Fault.RESTORE, number)

    outcome = run(installation, Scenario(1, (1,), forced=frozenset({strike}), route=route), keep_lines=True)

    assert outcome.struck == (strike,)
    assert outcome.ok, "\n".join([outcome.complaint, *outcome.lines])


def _nothing(*_: object) -> dict[str, int]:
    return {"orders": 0, "attempts": 0, "refunds": 0}


def _as_it_is(_tx: object, order: Any, *_: object) -> Any:
    return order


WRONG: Final[Mapping[str, tuple[str, Callable[..., object]]]] = {
    "nothing is held": ("put_in_question", _nothing),
    "an old payment is taken as new": ("hold_if_old", _as_it_is),
    "a counter proves an old load": ("_doubt", _nothing),
}
"""What `ota db restored` might leave out."""


@pytest.mark.parametrize("rule", WRONG)
def test_what_is_left_out_after_a_restore_is_found(installation: Installation, rule: str) -> None:
    name, wrong = WRONG[rule]

    with patch.object(restored, name, wrong):
        outcome = run(installation, troubled(7))

    assert not outcome.ok
