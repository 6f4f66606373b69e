"""A chip by its own data: whatever a wallet calls it, its card is not overwritten, and a number stands on one chip."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import pytest

from ota.issuance.service import Issuances
from ota.sandbox.element.card_os import Element
from tests.elements import balance, blank, collected, described, instances
from tests.phone import Conversation, silent
from tests.platform import IN_STOCK, Platform, problem

OTHER_NAME = "another-name"


def loaded(platform: Platform, element: Element) -> str:
    """A card with money on it."""
    card_no = platform.issue(element)
    platform.top_up(card_no, element)
    assert balance(element) == 5000
    return card_no


def order(platform: Platform, se_id: str = OTHER_NAME, *, by: str = "wallet") -> str:
    made = platform.post("/v1/issuances", {"city": "guangzhou", "se_id": se_id}, by=by)
    assert made.status_code == 201, made.text
    return str((made.json or {})["order_id"])


def open_as(
    platform: Platform, order_id: str, element: Element, *, by: str = "wallet", **more: Any
) -> Conversation:
    return platform.open(order_id, element, by=by, se=described(element, se_id=OTHER_NAME), **more)


def chips(platform: Platform) -> list[tuple[str | None, str | None]]:
    return [
        tuple(row)
        for row in platform.rows("SELECT chip, claimed_chip FROM issuance_order ORDER BY created_at")
    ]


def derivation_data(element: Element) -> str:
    return collected(element)[2]["data"][4:]


@pytest.mark.parametrize("by", ["wallet", "rival"])
@pytest.mark.parametrize("i", [0x60, 0x70])
def test_another_name_for_a_chip_does_not_erase_the_card_on_it(
    any_platform: Platform, by: str, i: int
) -> None:
    element = blank("03", i)
    card_no = loaded(any_platform, element)
    order_id = order(any_platform, by=by)

    talk = open_as(any_platform, order_id, element, by=by, precollected=collected(element))
    first = talk.notes
    ending = talk.finish()

    assert first == ["SELECT security domain", "INITIALIZE UPDATE"]
    assert (ending["state"], ending["problem"]["code"]) == ("failed", "card_on_chip")
    assert balance(element) == 5000
    assert any_platform.rows("SELECT card_no FROM card WHERE product IS NOT NULL") == [(card_no,)]


def test_an_order_for_a_chip_that_has_a_card_is_called_off_like_any_other(platform: Platform) -> None:
    element = blank()
    loaded(platform, element)
    order_id = order(platform)
    open_as(platform, order_id, element).finish()

    called_off = platform.post(f"/v1/issuances/{order_id}/cancel").json or {}

    assert called_off["state"] == "abandoned"
    assert platform.rows("SELECT count(*) FROM card_number WHERE city = '5810' AND state = 'free'") == [
        (IN_STOCK - 1,)
    ]


def test_a_card_that_became_active_at_the_last_moment_is_not_erased_either(platform: Platform) -> None:
    """The first look came too early: what is committed with the batch looks again."""
    element = blank()
    loaded(platform, element)
    talk = open_as(platform, order(platform), element)

    with patch.object(Issuances, "meets_another_card", return_value=False):
        refused = talk.step()

    assert problem(refused) == (409, "card_on_chip")
    assert balance(element) == 5000


def test_clearing_one_order_leaves_the_card_of_another_where_it_is(any_platform: Platform) -> None:
    """The other card's build has removed what this order had left on the chip."""
    element = blank()
    order_id = order(any_platform)
    half = open_as(any_platform, order_id, element)
    half.step()
    half.run()
    loaded(any_platform, element)

    any_platform.post(f"/v1/issuances/{order_id}/cancel")
    ending = open_as(any_platform, order_id, element).finish()

    assert (ending["problem"]["code"], ending["outcome"]["state"]) == ("issuance_cancelled", "abandoned")
    assert balance(element) == 5000


@pytest.mark.parametrize("change", ["state = 'closed'", "se_id = 'the-new-phone'"])
def test_a_card_that_is_closed_or_has_moved_stands_in_nobodys_way(platform: Platform, change: str) -> None:
    element = blank()
    platform.issue(element)
    platform.change(f"UPDATE card SET {change}")  # noqa: S608  one of the two above

    ending = open_as(platform, order(platform), element).finish()

    assert ending["outcome"]["state"] == "active"


def test_what_an_abandoned_order_left_under_another_name_is_removed(platform: Platform) -> None:
    element = blank()
    half = platform.open(platform.order_card(element)["order_id"], element)
    half.step()
    half.run()

    ending = open_as(platform, order(platform), element).finish()

    assert ending["outcome"]["state"] == "active"
    assert len(instances(element)) == 5


# What was predicted ------------------------------------------------------------------------------------------------


def test_a_prediction_that_held_is_the_chips_own_word(any_platform: Platform) -> None:
    element = blank("03", 0x70)
    talk = any_platform.open(
        any_platform.order_card(element)["order_id"], element, precollected=collected(element)
    )
    before = chips(any_platform)

    talk.finish()

    assert before == [(None, derivation_data(element).lower())]
    assert chips(any_platform) == [(derivation_data(element).lower(), None)]


def test_a_chip_that_was_announced_as_another_is_written_under_its_own_data(any_platform: Platform) -> None:
    element = blank("03", 0x70)
    order_id = any_platform.order_card(element)["order_id"]
    select, counter, derivation = collected(element)
    other = derivation | {"data": derivation["data"][:-2] + "00"}
    talk = any_platform.open(order_id, element, precollected=[select, counter, other])

    missed = talk.step()
    ending = talk.finish()

    assert (missed.json or {})["progress"]["step"] == "open_channel"
    assert ending["outcome"]["state"] == "active"
    assert chips(any_platform) == [(derivation_data(element).lower(), None)]


def test_a_prediction_that_never_reached_the_door_binds_no_chip(platform: Platform) -> None:
    element = blank("03", 0x70)
    order_id = platform.order_card(element)["order_id"]
    select, counter, derivation = collected(element)
    other = derivation | {"data": derivation["data"][:-2] + "00"}
    element.faults.answer(0x50, 0x6985)
    platform.open(order_id, element, precollected=[select, counter, other]).finish()

    ending = platform.open(order_id, element).finish()

    assert ending["outcome"]["state"] == "active"


def test_a_predicted_card_that_nobody_told_of_keeps_its_number_from_other_chips(platform: Platform) -> None:
    first, second = blank("03", 0x70, seed="one"), blank("03", 0x70, seed="two")
    order_id = platform.order_card(first)["order_id"]
    platform.open(order_id, first, precollected=collected(first)).run()  # complete, and nobody tells
    se = described(second, se_id=first.se_id)

    talk = platform.open(order_id, second, se=se, precollected=collected(second))
    refused = talk.step()

    assert problem(refused) == (422, "element_differs")
    assert instances(second) == []


def test_a_predicted_card_that_is_found_complete_names_its_chip(platform: Platform) -> None:
    element = blank("03", 0x70)
    order_id = platform.order_card(element)["order_id"]
    platform.open(order_id, element, precollected=collected(element)).run()

    ending = platform.open(order_id, element).finish()

    assert ending["outcome"]["state"] == "active"
    assert chips(platform) == [(derivation_data(element).lower(), None)]


def test_a_contact_that_is_lost_after_a_prediction_leaves_the_claim(platform: Platform) -> None:
    element = blank("03", 0x70)
    order_id = platform.order_card(element)["order_id"]
    platform.open(order_id, element, reply=silent, precollected=collected(element)).finish()

    between = chips(platform)
    ending = platform.open(order_id, element).finish()

    assert between == [(None, derivation_data(element).lower())]
    assert ending["outcome"]["state"] == "active"
