"""Two people confirmed a load that never reached the card: the card contradicts them, and they take it back."""

from __future__ import annotations

from ota.service_desk.states import Action
from tests.books import balances, checked
from tests.elements import tunion
from tests.platform import problem
from tests.service_desk.test_decisions import Desk, any_desk, desk

__all__ = ["any_desk", "desk"]


def wrongly_confirmed(desk: Desk) -> str:
    order_id = desk.uncertain(credited=False)
    desk.decided(Action.CONFIRM_LOAD, order_id, proof="seen by mistake")
    return order_id


def shown(desk: Desk) -> list[str]:
    return [row.kind for row in desk.platform.rows("SELECT kind FROM evidence ORDER BY at, id")]


def test_a_card_that_disproves_a_confirmed_load_is_frozen_before_anything_is_loaded(desk: Desk) -> None:
    order_id = wrongly_confirmed(desk)

    ending = desk.contact().finish()

    assert ending["problem"]["code"] == "card_frozen"
    assert desk.platform.topup_state(order_id) == "loaded"
    assert desk.attempts() == ["loaded"]
    assert tunion(desk.element).purse.state.balance == 0
    assert "counter_not_moved" in shown(desk)


def test_a_confirmation_that_the_card_disproved_is_reversed_and_the_money_loaded(any_desk: Desk) -> None:
    order_id = wrongly_confirmed(any_desk)
    any_desk.contact().finish()

    any_desk.decided(Action.REVERSE_CONFIRMATION, order_id)
    any_desk.decided(Action.RELEASE_CARD, any_desk.card_no)
    state, books = any_desk.platform.topup_state(order_id), balances(any_desk.platform)
    ending = any_desk.platform.open(order_id, any_desk.element).finish()

    assert (state, any_desk.attempts()) == ("paid", ["dead", "loaded"])
    assert books == {"channel:alipay": 8000, "suspense:5810": -8000}
    assert ending["state"] == "done"
    assert tunion(any_desk.element).purse.state.balance == 5000
    assert checked(any_desk.platform).on_cards_fen == 5000


def test_a_reversed_confirmation_may_be_refunded(desk: Desk) -> None:
    order_id = wrongly_confirmed(desk)
    desk.contact().finish()

    desk.decided(Action.REVERSE_CONFIRMATION, order_id)
    answer = desk.platform.post(f"/v1/topups/{order_id}/refund")

    assert answer.status_code == 200
    assert desk.platform.topup_state(order_id) == "refunding"


def test_a_confirmation_that_nothing_disproved_stands(desk: Desk) -> None:
    order_id = wrongly_confirmed(desk)

    assert problem(desk.propose(Action.REVERSE_CONFIRMATION, order_id)) == (409, "not_in_this_state")


def test_a_load_that_the_card_proved_is_nobodys_to_reverse(desk: Desk) -> None:
    order_id = desk.uncertain(credited=True)
    desk.platform.open(order_id, desk.element).finish()
    desk.platform.change("UPDATE card SET last_atc = NULL")
    desk.platform.change("UPDATE load_attempt SET online_atc = online_atc + 1")

    ending = desk.contact().finish()
    proposal = desk.propose(Action.REVERSE_CONFIRMATION, order_id)

    assert ending["problem"]["code"] == "card_frozen"
    assert problem(proposal) == (409, "not_in_this_state")


def under_way(desk: Desk) -> tuple[str, str]:
    """A mistaken confirmation and a real load at the same counter that is in the purse, as earlier versions made them."""
    mistaken = wrongly_confirmed(desk)
    desk.platform.change("UPDATE load_attempt SET online_atc = 100")
    conversation = desk.contact()
    conversation.step()
    conversation.run()  # the report is lost
    desk.platform.change("UPDATE load_attempt SET online_atc = 0")
    desk.element.reset()
    (real,) = desk.platform.rows("SELECT order_id FROM load_attempt WHERE state = 'authorised'")
    return mistaken, real.order_id


def test_a_real_load_at_the_counter_of_a_confirmed_one_is_held(desk: Desk) -> None:
    _, real = under_way(desk)

    ending = desk.contact().finish()

    assert ending["problem"]["code"] == "card_frozen"
    assert desk.platform.topup_state(real) == "held"
    assert "counter_taken" in shown(desk)


def test_the_real_load_is_booked_once_the_mistaken_one_is_reversed(desk: Desk) -> None:
    mistaken, real = under_way(desk)
    desk.contact().finish()

    desk.decided(Action.REVERSE_CONFIRMATION, mistaken)
    desk.decided(Action.RELEASE_CARD, desk.card_no)
    ending = desk.contact().finish()

    assert ending["state"] == "done"
    assert (desk.platform.topup_state(mistaken), desk.platform.topup_state(real)) == ("paid", "loaded")
    assert tunion(desk.element).purse.state.balance == 6000


def test_a_load_is_not_confirmed_at_a_counter_that_another_one_took(desk: Desk) -> None:
    _, real = under_way(desk)
    desk.contact().finish()

    proposal = desk.proposed(Action.CONFIRM_LOAD, real, proof="seen")
    answer = desk.answer(proposal)

    assert problem(answer) == (409, "not_in_this_state")
    assert desk.platform.topup_state(real) == "held"


def held_by_a_late_tac(desk: Desk) -> str:
    """A card disproved the load, and then a TAC for it turned up from another one of the same number."""
    platform = desk.platform
    desk.card_no = platform.issue(desk.element)
    purse = tunion(desk.element).purse
    order_id = str(platform.order_topup(desk.card_no)["order_id"])
    talk = platform.open(order_id, desk.element)
    talk.step()
    before, credited = purse.state, talk.run()
    after, purse.state = purse.state, before
    other_id = str(platform.order_topup(desk.card_no, 700)["order_id"])
    other = platform.open(other_id, desk.element)
    answered = other.run()
    platform.post(f"/v1/topups/{other_id}/refund")
    other.hand_in(answered)
    talk.hand_in(credited)
    purse.state = after
    assert (platform.topup_state(order_id), desk.attempts()) == ("held", ["dead"])
    return order_id


def test_two_people_may_have_seen_the_load_that_a_late_tac_speaks_for(any_desk: Desk) -> None:
    order_id = held_by_a_late_tac(any_desk)

    any_desk.decided(Action.CONFIRM_LOAD, order_id, proof="journal read at the counter")
    any_desk.decided(Action.RELEASE_CARD, any_desk.card_no)
    ending = any_desk.contact().finish()

    assert (any_desk.platform.topup_state(order_id), any_desk.attempts()) == ("loaded", ["loaded", "loaded"])
    assert (ending["state"], tunion(any_desk.element).purse.state.balance) == ("done", 8000)


def test_what_two_people_took_back_once_is_not_confirmed_again(desk: Desk) -> None:
    order_id = wrongly_confirmed(desk)
    desk.contact().finish()
    desk.decided(Action.REVERSE_CONFIRMATION, order_id)
    desk.platform.change("UPDATE topup_order SET state = 'held' WHERE id = :o", o=order_id)

    refused = desk.propose(Action.CONFIRM_LOAD, order_id, proof="journal read at the counter")
    desk.platform.change("UPDATE topup_order SET state = 'paid' WHERE id = :o", o=order_id)

    assert problem(refused) == (409, "not_in_this_state")
