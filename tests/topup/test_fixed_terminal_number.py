"""A city whose issuer fixes the terminal number: answers that a card's owner collected beforehand take no money back."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from ota.sandbox.element.card_os import Element
from ota.service_desk.states import Action
from ota.topup.refund_port import RefundAnswer
from tests.books import checked
from tests.elements import balance, blank
from tests.phone import Reply
from tests.platform import MakePlatform, Platform, problem
from tests.service_desk.test_decisions import Desk

FIXED = 'terminal_number = "fixed"\nfixed_number = "123456789012"'
PROBES = range(1, 102)
"""Every amount that a probe may have: up to the least load of the city, and one more."""


@pytest.fixture
def fixed(make_platform: MakePlatform) -> Platform:
    return make_platform({"cities/guangzhou.toml": [('terminal_number = "nonce"', FIXED)]})


def hiding(element: Element) -> Reply:
    """A phone that answers for the card that it knows nothing of earlier loads."""

    def reply(command: bytes) -> bytes:
        return b"\x6a\x83" if command[:2] in (b"\x80\x5a", b"\x00\xb2") else element.transmit(command)

    return reply


def lying(element: Element, opening: list[dict[str, str]], amounts: Iterable[int] = PROBES) -> Reply:
    """A phone whose card was asked for every amount beforehand, and that answers from what it said then."""
    select, initialise = (bytes.fromhex(opening[at]["apdu"]) for at in (0, -1))
    element.transmit(select)
    commands = [initialise[:6] + amount.to_bytes(4, "big") + initialise[10:] for amount in amounts]
    collected = {command: element.transmit(command) for command in commands}

    def reply(command: bytes) -> bytes:
        if command[:2] in (b"\x80\x5a", b"\x00\xb2"):
            return b"\x6a\x83"
        return collected.get(command) or element.transmit(command)

    return reply


def test_a_load_that_only_old_answers_deny_is_not_given_back(fixed: Platform) -> None:
    element = blank()
    order_id = fixed.order_topup(fixed.issue(element))["order_id"]
    contact = fixed.open(order_id, element)
    thief = lying(element, contact.batch["commands"])
    contact.step()
    contact.run()  # the card is loaded; nobody hears of it
    again = fixed.open(order_id, element, reply=thief)
    again.hand_in(again.run())

    refused = fixed.post(f"/v1/topups/{order_id}/refund")
    fixed.clock.advance(weeks=5)
    fixed.built.runner.sweep()

    assert balance(element) == 5000
    assert problem(refused) == (409, "refund_needs_two_people")
    assert fixed.rows("SELECT id FROM refund") == []
    assert not checked(fixed).differences


def denying(element: Element, thief: Reply, amount: int = 5000) -> Reply:
    """A phone that denies with old answers, and lets the real card answer the question of the order's amount."""

    def reply(command: bytes) -> bytes:
        is_real = command[:2] == b"\x80\x50" and int.from_bytes(command[6:10], "big") == amount
        return element.transmit(command) if is_real else thief(command)

    return reply


def denied(platform: Platform, element: Element) -> str:
    """An order whose load is on the card, was denied by an old answer, and whose card shows the next counter."""
    order_id = str(platform.order_topup(platform.issue(element))["order_id"])
    contact = platform.open(order_id, element)
    thief = lying(element, contact.batch["commands"])
    contact.step()
    contact.run()  # the card is loaded; nobody hears of it
    ending = platform.open(order_id, element, reply=denying(element, thief)).finish()
    assert ending["problem"]["code"] == "card_frozen"
    return order_id


@pytest.mark.parametrize("others", [[], [("foreign_loads = false", "foreign_loads = true ")]])
def test_a_load_that_an_old_answer_denied_is_held_once_its_counter_is_used_up(
    make_platform: MakePlatform, others: list[tuple[str, str]]
) -> None:
    edits = [('terminal_number = "nonce"', FIXED), *others]
    platform, element = make_platform({"cities/guangzhou.toml": edits}), blank()

    order_id = denied(platform, element)
    desk = Desk(platform, element=element, card_no=platform.rows("SELECT card_no FROM card")[0].card_no)
    desk.decided(Action.RELEASE_CARD, desk.card_no)
    again = platform.try_open(order_id, element)
    other = desk.contact().finish()

    assert platform.topup_state(order_id) == "held"
    assert problem(again) == (409, "topup_not_loadable")
    assert (other["state"], balance(element)) == ("done", 8000)
    assert not checked(platform).differences


def test_two_people_book_what_was_denied_by_an_old_answer_and_is_on_the_card(fixed: Platform) -> None:
    element = blank()
    order_id = denied(fixed, element)
    desk = Desk(fixed, element=element, card_no=fixed.rows("SELECT card_no FROM card")[0].card_no)

    desk.decided(Action.CONFIRM_LOAD, order_id, proof="journal read at the counter")
    desk.decided(Action.RELEASE_CARD, desk.card_no)
    ending = desk.contact().finish()

    assert (fixed.topup_state(order_id), desk.attempts()) == ("loaded", ["loaded", "loaded"])
    assert (ending["state"], balance(element)) == ("done", 8000)
    assert not checked(fixed).differences


def test_a_refund_that_fails_does_not_make_a_denied_load_loadable_again(fixed: Platform) -> None:
    element = blank()
    order_id = denied(fixed, element)
    desk = Desk(fixed, element=element)
    desk.decided(Action.REFUND, order_id)

    desk.send(desk.refund_of(order_id)["refund_id"], RefundAnswer.REFUSED)

    assert fixed.topup_state(order_id) == "held"
    assert not checked(fixed).differences


def test_a_counter_that_two_orders_loads_may_have_used_up_proves_neither(fixed: Platform) -> None:
    """The first one, denied by an old answer, is on the card; the second one's MAC2 never arrived."""
    element = blank()
    card_no = fixed.issue(element)
    first, second = (str(fixed.order_topup(card_no, amount)["order_id"]) for amount in (9000, 3000))
    contact = fixed.open(first, element)
    thief = lying(element, contact.batch["commands"], [*PROBES, 3000])
    contact.step()
    contact.run()
    fixed.open(
        second, element, reply=thief
    ).step()  # the probe denies the first, an old answer asks for the second
    asked = fixed.open(second, element, reply=thief)
    asked.step()
    asked.step()

    hidden = fixed.open(second, element, reply=hiding(element))
    ending = hidden.finish()

    assert ending["problem"]["code"] == "card_frozen"
    assert (fixed.topup_state(first), fixed.topup_state(second)) == ("held", "uncertain")
    assert balance(element) == 9000
    assert not checked(fixed).differences


def test_a_load_that_a_torn_card_did_not_take_is_not_held_after_another_one(fixed: Platform) -> None:
    element = blank()
    card_no = fixed.issue(element)
    first, second = (str(fixed.order_topup(card_no, amount)["order_id"]) for amount in (9000, 3000))
    fixed.open(first, element).step()
    element.reset()

    endings = [fixed.open(order_id, element).finish()["state"] for order_id in (second, first)]

    assert (endings, balance(element)) == (["done", "done"], 12000)
    assert not checked(fixed).differences


def test_a_load_that_did_not_happen_goes_on_in_the_same_session(fixed: Platform) -> None:
    element = blank()
    order_id = fixed.order_topup(fixed.issue(element))["order_id"]
    fixed.open(order_id, element).step()
    element.reset()

    ending = fixed.open(order_id, element).finish()

    assert (ending["state"], balance(element)) == ("done", 5000)
    assert fixed.topup_state(order_id) == "loaded"


def test_two_people_give_back_what_only_a_card_could_prove(fixed: Platform) -> None:
    element = blank()
    order_id = fixed.order_topup(fixed.issue(element))["order_id"]
    fixed.open(order_id, element).step()
    element.reset()
    contact = fixed.open(order_id, element)
    contact.step()
    element.reset()
    body = {"action": "refund", "subject_id": order_id, "reason": "the card was read at the counter"}

    proposed = fixed.post("/v1/service/decisions", body, by="supervisor")
    alone = fixed.post(f"/v1/topups/{order_id}/refund")
    decision = (proposed.json or {})["decision_id"]
    approved = fixed.post(f"/v1/service/decisions/{decision}/approve", by="second")

    assert problem(alone) == (409, "refund_needs_two_people")
    assert approved.status_code == 200
    assert fixed.topup_state(order_id) == "refunding"


def denied_by_an_old_answer(desk: Desk) -> str:
    """A load in the purse that two people confirmed, and that its owner then denies with an answer kept from before."""
    platform, element = desk.platform, desk.element
    desk.card_no = platform.issue(element)
    order_id = str(platform.order_topup(desk.card_no)["order_id"])
    contact = platform.open(order_id, element)
    thief = lying(element, contact.batch["commands"], [3000])
    contact.step()
    contact.run()  # the card is loaded; nobody hears of it
    platform.clock.advance(minutes=3)
    platform.built.runner.run_due()
    desk.decided(Action.CONFIRM_LOAD, order_id, proof="read at the counter")
    other = platform.order_topup(desk.card_no, 3000)
    ending = platform.open(str(other["order_id"]), element, reply=thief).finish()
    assert ending["problem"]["code"] == "card_frozen"
    return order_id


def test_a_confirmation_is_not_taken_back_for_an_answer_that_may_be_old(fixed: Platform) -> None:
    desk = Desk(fixed)
    order_id = denied_by_an_old_answer(desk)

    refused = desk.propose(Action.REVERSE_CONFIRMATION, order_id)

    assert balance(desk.element) == 5000
    assert problem(refused) == (409, "proof_needed")
    assert fixed.rows("SELECT id FROM approval WHERE action = 'reverse_confirmation'") == []


def test_with_a_proof_of_their_own_two_people_take_it_back_and_its_money_waits_for_two_people(
    fixed: Platform,
) -> None:
    desk = Desk(fixed)
    order_id = denied_by_an_old_answer(desk)

    desk.decided(Action.REVERSE_CONFIRMATION, order_id, proof="journal read at the counter: no such line")
    alone = fixed.post(f"/v1/topups/{order_id}/refund")
    fixed.clock.advance(weeks=5)
    fixed.built.runner.sweep()

    assert fixed.topup_state(order_id) == "paid"
    assert problem(alone) == (409, "refund_needs_two_people")
    assert fixed.rows("SELECT id FROM refund WHERE order_id = :o", o=order_id) == []
    assert not checked(fixed).differences


def test_what_the_cards_tac_proved_after_people_is_nobodys_to_take_back(fixed: Platform) -> None:
    desk = Desk(fixed)
    element = desk.element
    desk.card_no = fixed.issue(element)
    order_id = str(fixed.order_topup(desk.card_no)["order_id"])
    contact = fixed.open(order_id, element)
    thief = lying(element, contact.batch["commands"], [3000])
    contact.step()
    report = contact.run()
    fixed.clock.advance(minutes=3)
    fixed.built.runner.run_due()
    desk.decided(Action.CONFIRM_LOAD, order_id, proof="read at the counter")
    contact.hand_in(report)  # the TAC arrives after all

    other = fixed.order_topup(desk.card_no, 3000)
    ending = fixed.open(str(other["order_id"]), element, reply=thief).finish()
    refused = desk.propose(Action.REVERSE_CONFIRMATION, order_id, proof="journal: no such line")

    assert ending["problem"]["code"] == "card_frozen"
    assert problem(refused) == (409, "not_in_this_state")
    assert fixed.rows("SELECT last_atc FROM card") == [(1,)]
