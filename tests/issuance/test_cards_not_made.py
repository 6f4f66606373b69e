"""Money for a card that was never made: it goes back to who paid it, whoever bears the card's number by then."""

from __future__ import annotations

from typing import Any

import pytest

from ota.card.purse import LoadAnswer, initialize_for_load
from ota.core.values import Fen, TerminalNumber
from ota.reports import suspense
from ota.sandbox.element.card_os import Element
from ota.topup.contact import Contact, Traces
from ota.topup.errors import CardNotMade
from ota.topup.loads import Loads
from ota.topup.outcome import Stopped
from ota.topup.refund_port import RefundAnswer
from ota.topup.refunds import Refunds
from tests.desks import ScriptedDesk
from tests.elements import TUNION, balance, blank
from tests.platform import IN_STOCK, Platform, problem
from tests.terminal.reader import Reader

AMOUNT = 5000


def refusing(platform: Platform) -> Refunds:
    """The wallet's payment side will not pay back."""
    desk = ScriptedDesk(sends=[RefundAnswer.REFUSED], queries=[RefundAnswer.REFUSED])
    return Refunds(platform.built.store, desk, platform.clock, None)


def order(platform: Platform, element: Element) -> Any:
    payment = platform.payment(AMOUNT)
    return platform.order_card(element, first_load={"amount_fen": AMOUNT, "payment": payment})


def called_off(platform: Platform, element: Element) -> Any:
    """An order that was called off before any contact, and whose first load nobody took back."""
    made = order(platform, element)
    answer = platform.post(f"/v1/issuances/{made['order_id']}/cancel")
    assert (answer.json or {})["state"] == "abandoned"
    (refund,) = platform.rows("SELECT id FROM refund")
    refusing(platform).send(refund.id)
    assert platform.topup_state(made["first_load_id"]) == "paid"
    return made


def given_to_somebody_else(platform: Platform, made: Any, element: Element, by: str = "wallet") -> str:
    """As in a database of before numbers that money was ordered for were spent."""
    platform.change(
        "UPDATE card_number SET state = 'free', order_id = NULL WHERE order_id = :id", id=made["order_id"]
    )
    body = {"city": "guangzhou", "se_id": element.se_id}
    other = platform.post("/v1/issuances", body, by=by).json or {}
    assert other["card_no"] == made["card_no"]
    assert platform.open(other["order_id"], element, by=by).finish()["state"] == "done"
    return str(other["card_no"])


def test_a_number_that_money_was_ordered_for_is_spent_when_its_card_is_called_off(
    any_platform: Platform,
) -> None:
    made = order(any_platform, blank())

    any_platform.post(f"/v1/issuances/{made['order_id']}/cancel")

    states = any_platform.rows("SELECT state, count(*) FROM card_number WHERE city = '5810' GROUP BY state")
    assert dict(map(tuple, states)) == {"free": IN_STOCK - 1, "retired": 1}
    assert any_platform.order_card(blank(seed="b"))["card_no"] != made["card_no"]


def test_a_number_of_an_order_without_money_is_spent_where_money_was_ordered_for_it_before(
    platform: Platform,
) -> None:
    made = called_off(platform, blank())
    platform.change("UPDATE card_number SET state = 'free', order_id = NULL WHERE state = 'retired'")
    heir = platform.order_card(blank(seed="b"))

    platform.post(f"/v1/issuances/{heir['order_id']}/cancel")

    assert heir["card_no"] == made["card_no"]
    assert platform.rows("SELECT count(*) FROM card_number WHERE state = 'retired'") == [(1,)]


def test_money_whose_card_was_not_made_is_not_loaded_onto_the_next_card_of_its_number(
    any_platform: Platform,
) -> None:
    made, theirs = called_off(any_platform, blank()), blank(seed="b")
    card_no = given_to_somebody_else(any_platform, made, theirs)

    listed = any_platform.get(f"/v1/topups?card_no={card_no}")
    refused = any_platform.try_open(made["first_load_id"], theirs)

    assert listed.json == {"orders": []}
    assert problem(refused) == (409, "card_not_made")
    assert balance(theirs) == 0


def test_a_terminal_finds_nothing_to_load_for_a_card_that_was_not_made(platform: Platform) -> None:
    made, theirs = called_off(platform, blank()), blank(seed="b")
    card_no = given_to_somebody_else(platform, made, theirs, by="rival")

    answer = Reader(platform, theirs).resume(card_no)

    assert problem(answer) == (404, "nothing_to_resume")
    assert balance(theirs) == 0


def test_a_question_of_before_gets_no_money_once_there_is_no_card(platform: Platform) -> None:
    """The purse answers what it was asked while its card was being made; the order was called off in between."""
    made, theirs = order(platform, blank()), blank(seed="b")
    loads, load_id = platform.service(Loads), str(made["first_load_id"])
    asked = loads.meet(load_id, being_issued=True)
    assert isinstance(asked, Contact)
    platform.post(f"/v1/issuances/{made['order_id']}/cancel")
    (refund,) = platform.rows("SELECT id FROM refund")
    refusing(platform).send(refund.id)
    given_to_somebody_else(platform, made, theirs)
    answers = [theirs.transmit(command.command) for command in asked.opening]

    decision = loads.answer(load_id, asked.challenge.nonce, LoadAnswer.parse(answers[-1][:-2]), Traces())

    assert isinstance(decision, Stopped)
    assert isinstance(decision.problem, CardNotMade)
    assert platform.rows("SELECT count(*) FROM load_attempt") == [(0,)]


def test_an_answer_of_a_terminal_is_not_taken_for_an_order_without_a_card(platform: Platform) -> None:
    made, theirs = called_off(platform, blank()), blank(seed="b")
    given_to_somebody_else(platform, made, theirs)
    theirs.transmit(b"\x00\xa4\x04\x00" + bytes((len(TUNION),)) + TUNION)
    terminal = TerminalNumber("588000000001")
    asked = initialize_for_load(1, Fen(AMOUNT), terminal.to_bytes()).encode()
    answer = LoadAnswer.parse(theirs.transmit(asked)[:-2])

    with pytest.raises(CardNotMade):
        platform.service(Loads).accept(made["first_load_id"], terminal, answer)


def test_whoever_paid_for_a_card_that_was_not_made_is_told_to_ask_for_the_money(
    any_platform: Platform,
) -> None:
    made = called_off(any_platform, blank())
    path = f"/v1/topups/{made['first_load_id']}"

    waiting = any_platform.get(path).json or {}
    asked = any_platform.post(f"{path}/refund").json or {}
    again = any_platform.rows("SELECT state, round FROM refund")

    assert (waiting["state"], waiting["money"], waiting["next_step"]) == (
        "paid",
        "with_platform",
        "request_refund",
    )
    assert (asked["state"], asked["money"], asked["next_step"]) == ("refunding", "on_its_way_back", "none")
    assert again == [("requested", 2)]


def test_money_whose_card_was_not_made_waits_for_the_service_desk_and_for_no_card(platform: Platform) -> None:
    called_off(platform, blank())

    with platform.built.store.read() as tx:
        waiting = suspense.items(tx)

    assert [(item.reason, item.owner) for item in waiting] == [("refund_refused", "service_desk")]
