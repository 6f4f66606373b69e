"""Fifty at once on one order, one card, one key, one refund: exactly one wins, and nobody waits for long.

A lock or a connection that is not free in time makes a 503, and a deadlock makes one at once: neither is among the
answers that a race may have.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest
from werkzeug.test import TestResponse

from ota.card.apdu import Response
from ota.card.purse import LoadAnswer
from ota.core.errors import OtaError
from ota.sandbox.element.card_os import Element
from ota.topup.contact import Contact, Traces
from ota.topup.errors import ChallengeSuperseded
from ota.topup.loads import Loads
from ota.topup.outcome import Authorised
from ota.topup.refunds import Refunds
from tests.books import checked
from tests.desks import ScriptedDesk
from tests.elements import blank
from tests.platform import Platform, problem
from tests.races.conftest import ROUNDS, THREADS, Crowd

AMOUNT = 100
SUPERSEDED = "superseded"
Outcome = TypeVar("Outcome")
Codes = tuple[tuple[str, int], ...]

pytestmark = pytest.mark.timeout(1800)


@pytest.fixture
def element() -> Element:
    return blank()


@pytest.fixture
def card_no(crowd: Crowd, element: Element) -> Iterator[str]:
    """A card; whatever was raced for on it, no deadlock happened and the books are true."""
    yield crowd.platform.issue(element)
    assert crowd.deadlocks() == 0
    assert checked(crowd.platform).differences == []


def told(answer: TestResponse) -> str:
    """The body of a good answer, the code of a refusal."""
    return answer.text if answer.status_code < 300 else problem(answer)[1]


def answer_of(element: Element, contact: Contact) -> LoadAnswer:
    """What the card says to the question."""
    for command in contact.opening:
        response = Response.parse(element.transmit(command.command))
    return LoadAnswer.parse(response.data)


def try_answer(platform: Platform, contact: Contact, answer: LoadAnswer) -> str:
    """The id of the attempt whose MAC2 is given out, or why none is."""
    nonce = contact.challenge.nonce
    try:
        decision = platform.service(Loads).answer(contact.order.id, nonce, answer, Traces())
    except ChallengeSuperseded:
        return SUPERSEDED
    except OtaError as error:
        return error.problem_code
    return decision.attempt.id if isinstance(decision, Authorised) else type(decision).__name__


def meet(platform: Platform, order_id: str) -> Contact:
    contact = platform.service(Loads).meet(order_id)
    assert isinstance(contact, Contact)
    return contact


def sorted_out(outcomes: list[str]) -> tuple[set[str], Codes]:
    """The different good answers, and how often each code of a refusal came."""
    codes = Counter(each for each in outcomes if not each.startswith("{"))
    return {each for each in outcomes if each.startswith("{")}, tuple(sorted(codes.items()))


def rounds(count: Callable[[int], Outcome]) -> Counter[Outcome]:
    """How often each outcome came out."""
    return Counter(count(number) for number in range(ROUNDS))


def test_one_order_is_answered_once(crowd: Crowd, element: Element, card_no: str) -> None:
    """Half of the phones say one thing about a batch and half another: one of the two is the report."""

    def race(_round: int) -> tuple[int, Codes, int]:
        order_id = crowd.platform.order_topup(card_no, AMOUNT)["order_id"]
        talk = crowd.platform.open(order_id, element)
        reports = [talk.run(), talk.run()]  # the card draws another random number for each
        path = f"/v1/sessions/{talk.session_id}/results"

        def hand_in(process: Platform, number: int) -> str:
            headers = {"Authorization": f"Bearer {talk.token}"}
            return told(process.app.test_client().post(path, json=reports[number % 2], headers=headers))

        good, codes = sorted_out(crowd.race(hand_in))
        attempts = "SELECT count(*) FROM load_attempt WHERE order_id = :id"
        return len(good), codes, crowd.platform.rows(attempts, id=order_id)[0][0]

    assert rounds(race) == {(1, (("sequence_conflict", THREADS // 2),), 1): ROUNDS}


def test_one_card_has_one_live_load(crowd: Crowd, element: Element, card_no: str) -> None:
    """Fifty orders of one card, each with a question of its own and the card's answer: the newest question counts."""
    orders = [crowd.platform.order_topup(card_no, AMOUNT)["order_id"] for _ in range(THREADS)]

    def race(_round: int) -> tuple[int, int]:
        contacts = [meet(crowd.platform, order_id) for order_id in orders]
        answers = [answer_of(element, contact) for contact in contacts]

        def answer(process: Platform, number: int) -> str:
            return try_answer(process, contacts[number], answers[number])

        outcomes = Counter(crowd.race(answer))
        superseded = outcomes.pop(SUPERSEDED)
        live = crowd.platform.rows("SELECT id FROM load_attempt WHERE state = 'authorised'")
        assert set(outcomes) == {attempt for (attempt,) in live}
        return superseded, len(live)

    assert rounds(race) == {(THREADS - 1, 1): ROUNDS}


def test_one_key_makes_one_order(crowd: Crowd, card_no: str) -> None:
    """The same request fifty times: one order and one payment; whoever is answered gets the same bytes."""

    def race(number: int) -> int:
        payment = crowd.platform.payment(AMOUNT, f"one-trade-{number}")
        body = {"card_no": card_no, "amount_fen": AMOUNT, "payment": payment}

        def order(process: Platform, _thread: int) -> str:
            return told(process.post("/v1/topups", body, key=f"one-key-{number}"))

        good, codes = sorted_out(crowd.race(order))
        assert {code for code, _ in codes} <= {"busy"}
        assert good == {order(crowd.platform, 0)}
        return len(good)

    assert rounds(race) == {1: ROUNDS}
    counted = "SELECT (SELECT count(*) FROM topup_order), (SELECT count(*) FROM payment)"
    assert crowd.platform.rows(counted) == [(ROUNDS, ROUNDS)]


def test_one_order_is_refunded_or_loaded(crowd: Crowd, element: Element, card_no: str) -> None:
    """Half ask for the money back and half bring the card's answer: one side gets it."""

    def race(_round: int) -> tuple[str, int, int]:
        order_id = crowd.platform.order_topup(card_no, AMOUNT)["order_id"]
        contact = meet(crowd.platform, order_id)
        answer = answer_of(element, contact)

        def act(process: Platform, number: int) -> str:
            if number % 2:
                return try_answer(process, contact, answer)
            return told(process.post(f"/v1/topups/{order_id}/refund", {}))

        assert "database_unavailable" not in crowd.race(act)
        refunds = crowd.platform.rows("SELECT count(*) FROM refund WHERE order_id = :id", id=order_id)
        attempts = crowd.platform.rows("SELECT count(*) FROM load_attempt WHERE order_id = :id", id=order_id)
        return crowd.platform.topup_state(order_id), refunds[0][0], attempts[0][0]

    sides = rounds(race)
    assert set(sides) <= {("refunding", 1, 0), ("loading", 0, 1)}, sides


def test_one_refund_is_sent_once(crowd: Crowd, card_no: str) -> None:
    """The same job fifty times: the wallet is asked once."""
    desk = ScriptedDesk()
    for process in crowd.processes:
        process.service(Refunds)._desk = desk

    def race(_round: int) -> str:
        order_id = crowd.platform.order_topup(card_no, AMOUNT)["order_id"]
        crowd.platform.post(f"/v1/topups/{order_id}/refund", {})
        ((refund_id,),) = crowd.platform.rows("SELECT id FROM refund WHERE order_id = :id", id=order_id)
        crowd.race(lambda process, _: process.service(Refunds).send(refund_id))
        return crowd.platform.topup_state(order_id)

    assert rounds(race) == {"refunded": ROUNDS}
    assert len({order.order_id for order in desk.sent}) == len(desk.sent) == ROUNDS
    assert desk.queried == []
