"""An issuance whose phone never comes back: two people end it, and what was paid goes back."""

from __future__ import annotations

import pytest

from ota.service_desk.states import Action
from tests.books import balances, checked
from tests.elements import balance, blank
from tests.issuance.test_orders import FEE, FREE_EDIT
from tests.phone import Conversation
from tests.platform import MakePlatform, Platform, problem
from tests.service_desk.test_decisions import Desk


@pytest.fixture
def desk(make_platform: MakePlatform) -> Desk:
    """Guangzhou asks a fee for a card."""
    return Desk(make_platform({"cities/guangzhou.toml": [FREE_EDIT]}))


def lost(desk: Desk) -> tuple[str, Conversation]:
    """An order with fee and first load whose build was sent, and the phone that has not answered."""
    platform = desk.platform
    load = {"amount_fen": 3000, "payment": platform.payment(3000)}
    order = platform.order_card(desk.element, payment=platform.payment(FEE), first_load=load)
    talk = platform.open(str(order["order_id"]), desk.element)
    talk.step()
    return str(order["order_id"]), talk


def number_states(platform: Platform) -> set[str]:
    return {row.state for row in platform.rows("SELECT state FROM card_number WHERE state <> 'free'")}


@pytest.mark.parametrize("cancelled", [True, False])
def test_fee_and_first_load_of_a_lost_phone_go_back(desk: Desk, cancelled: bool) -> None:
    order_id, _ = lost(desk)
    if cancelled:
        desk.platform.post(f"/v1/issuances/{order_id}/cancel")

    desk.decided(Action.ABANDON_ISSUANCE, order_id)

    assert desk.platform.issuance_state(order_id) == "abandoned"
    assert number_states(desk.platform) == {"retired"}
    assert balances(desk.platform) == {"channel:alipay": FEE + 3000, "refund_payable:5810": -FEE - 3000}
    assert checked(desk.platform).differences == []


def test_a_phone_that_comes_back_too_late_ends_with_no_card(desk: Desk) -> None:
    order_id, talk = lost(desk)
    report = talk.run()
    desk.decided(Action.ABANDON_ISSUANCE, order_id)

    ending = talk.hand_in(report).json or {}

    assert ending["problem"]["code"] == "not_in_this_state"
    assert desk.platform.issuance_state(order_id) == "abandoned"
    assert problem(desk.platform.try_open(order_id, desk.element)) == (409, "not_in_this_state")


def test_what_an_abandoned_order_left_is_removed_by_the_next_one(desk: Desk) -> None:
    order_id, talk = lost(desk)
    talk.run()
    desk.element.reset()
    desk.decided(Action.ABANDON_ISSUANCE, order_id)

    again = desk.platform.order_card(desk.element, payment=desk.platform.payment(FEE))
    ending = desk.platform.open(str(again["order_id"]), desk.element).finish()

    assert ending["state"] == "done"
    assert balance(desk.element) == 0


def test_a_card_that_was_made_is_not_abandoned(desk: Desk) -> None:
    order = desk.platform.order_card(desk.element, payment=desk.platform.payment(FEE))
    desk.platform.open(str(order["order_id"]), desk.element).finish()

    refused = desk.propose(Action.ABANDON_ISSUANCE, str(order["order_id"]))

    assert problem(refused) == (409, "not_in_this_state")


def test_an_issuance_that_is_not_there_is_not_abandoned(make_platform: MakePlatform) -> None:
    desk = Desk(make_platform(), element=blank())

    assert problem(desk.propose(Action.ABANDON_ISSUANCE, "iss_unknown")) == (404, "not_found")
