"""Card keys are replaced in the middle of a run, and everybody's cards are still served."""

from __future__ import annotations

import pytest

from ota.sandbox.element.keyring import Role
from ota.sandbox.simulation.entropy import seeded_entropy
from ota.sandbox.simulation.faults import Fault, Route, Scenario, Strike
from ota.sandbox.simulation.installation import Installation
from ota.sandbox.simulation.masters import FIRST, SECOND
from ota.sandbox.simulation.run import run
from ota.sandbox.simulation.world import Outcome, World

ROTATED = Strike("operator", Fault.CARD_KEY_ROTATED, 1)
ORDERS = tuple(range(1, 9))


def _versions(installation: Installation, scenario: Scenario) -> tuple[Outcome, set[int], set[int]]:
    """The outcome, the versions of the cards' keys, and those that loads were authorised by."""
    with installation.at_work():
        world = World(installation, scenario, keep_lines=True)
        with seeded_entropy(scenario.seed, world.clock):
            outcome = world.run()
        rings = [card.keyring for card in world.truth.cards]
        with world.parts.engine.connect() as tx:
            used = tx.exec_driver_sql("SELECT DISTINCT key_version FROM load_attempt").scalars()
            stated = {ring.by_role(Role.LOAD).version for ring in rings if ring is not None}
            return outcome, stated, set(used)


def test_cards_of_either_version_are_loaded(installation: Installation) -> None:
    rotated = Scenario(2, ORDERS, forced=frozenset({ROTATED}), route=Route.NEW_CARD)

    outcome, stated, used = _versions(installation, rotated)

    assert outcome.ok, outcome.complaint
    assert stated == used == {FIRST, SECOND}


def test_a_card_that_is_ahead_is_refused_until_its_keys_are_known(installation: Installation) -> None:
    ahead = Strike("order 1", Fault.CARD_KEY_AHEAD, 1)

    outcome = run(
        installation, Scenario(1, (1,), forced=frozenset({ahead}), route=Route.APP), keep_lines=True
    )

    refused = [number for number, line in enumerate(outcome.lines) if "422 card_key_unknown" in line]
    known = next(number for number, line in enumerate(outcome.lines) if "second_known" in line)
    assert outcome.ok, outcome.complaint
    assert refused
    assert max(refused) < known
    assert any(line.endswith("fen loaded") for line in outcome.lines)


@pytest.mark.parametrize("route", [Route.APP, Route.TERMINAL])
def test_cards_of_a_closed_version_are_refused_and_their_money_goes_back(
    installation: Installation, route: Route
) -> None:
    outcome = run(
        installation, Scenario(0, ORDERS, forced=frozenset({ROTATED}), route=route), keep_lines=True
    )

    closed = next(number for number, line in enumerate(outcome.lines) if "first_closed" in line)
    refused = [number for number, line in enumerate(outcome.lines) if "key_not_usable" in line]
    by_hand = sum("/approve → 200" in line for line in outcome.lines)
    refunded = sum(line.endswith("fen refunded") for line in outcome.lines)
    assert outcome.ok, outcome.complaint
    assert min(refused) > closed
    assert refunded > 0
    assert by_hand == (2 * refunded if route is Route.TERMINAL else 0)


def test_keys_are_replaced_once_in_a_run_and_the_next_run_begins_with_the_first(
    installation: Installation,
) -> None:
    again = Strike("operator", Fault.CARD_KEY_ROTATED, 2)

    twice = run(installation, Scenario(2, ORDERS, forced=frozenset({ROTATED, again})), keep_lines=True)
    quiet = run(installation, Scenario(2, ORDERS, forced=frozenset()), keep_lines=True)

    assert sum("second_issued" in line for line in twice.lines) == 1
    assert sum("changes the card keys" in line for line in quiet.lines) == 1  # when all is calm
