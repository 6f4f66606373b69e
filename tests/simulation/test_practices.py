"""Cities where others load the same purses, or where the issuer fixes the terminal number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pytest

from ota.sandbox.simulation.faults import Fault, Scenario
from ota.sandbox.simulation.installation import Installation
from ota.sandbox.simulation.practice import Practice
from ota.sandbox.simulation.run import run, scenario_of
from ota.service_desk.states import Action

FAULTS: Final = frozenset(
    {
        Fault.LOADED_BY_OTHERS,
        Fault.COLLECTED_ANSWER,
        Fault.PHONE_FORGETS,
        Fault.TORN_AFTER_WRITE,
        Fault.TORN_BEFORE_WRITE,
    }
)
ORDERS: Final = tuple(range(1, 9))
SEEDS: Final = range(10)

PEOPLE: Final[Mapping[Practice, frozenset[Action]]] = {
    Practice.USUAL: frozenset(),
    Practice.FIXED_NUMBER: frozenset({Action.CONFIRM_LOAD, Action.RELEASE_CARD}),
    Practice.OTHERS_LOAD: frozenset({Action.REFUND, Action.RELEASE_CARD}),
    Practice.FIXED_NUMBER_OTHERS_LOAD: frozenset({Action.REFUND, Action.RELEASE_CARD}),
    Practice.STRANGERS_LOAD: frozenset({Action.REFUND, Action.RELEASE_CARD}),
}
"""What two people have to decide in some of the seeds; as usual nothing is left to them."""


@pytest.mark.parametrize("practice", Practice)
def test_nothing_is_lost_or_doubled_and_people_are_asked_where_a_card_cannot_tell(
    installation: Installation, practice: Practice
) -> None:
    asked: set[Action] = set()
    for seed in SEEDS:
        scenario = Scenario(seed, ORDERS, faults=FAULTS, pace=3.0, practice=practice)
        outcome = run(installation, scenario, keep_lines=True)
        assert outcome.ok, "\n".join([str(seed), outcome.complaint, *outcome.lines])
        asked |= {
            action for action in Action if any(f"service desk   {action} " in line for line in outcome.lines)
        }

    assert PEOPLE[practice] <= asked
    assert bool(PEOPLE[practice]) == bool(asked)


def test_most_seeds_have_the_usual_practice_and_all_have_one() -> None:
    drawn = [scenario_of(seed, 1).habit for seed in range(200)]

    assert drawn.count(Practice.USUAL) > len(drawn) / 2
    assert set(drawn) == set(Practice)
