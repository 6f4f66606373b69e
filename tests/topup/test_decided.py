"""What became of a load in doubt: by the counter, by a proof where others load too, by nobody's word."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ota.card.purse import LoadAnswer
from ota.core.values import Mac4
from ota.hsm_adapter.errors import Mac1Wrong
from ota.sandbox.element.card_os import Element
from ota.sandbox.element.faults import CREDIT, Instant
from ota.sandbox.element.options import Prove
from ota.topup.contact import Traces
from ota.topup.errors import CardFrozen, ChallengeSuperseded
from ota.topup.loads import Loads
from ota.topup.outcome import Authorised, Stopped
from tests.elements import balance, blank, counter, tunion
from tests.phone import Conversation, Reply
from tests.platform import MakePlatform, Platform, problem
from tests.topup.elsewhere import load_elsewhere
from tests.topup.test_loads import AMOUNT, attempts, card_and_order, loaded_once

FOREIGN = {"cities/guangzhou.toml": [("foreign_loads = false", "foreign_loads = true ")]}
FIXED = {
    "cities/guangzhou.toml": [
        ('terminal_number = "nonce"', 'terminal_number = "fixed"\nfixed_number = "581000000001"')
    ]
}


@pytest.fixture
def open_city(make_platform: MakePlatform) -> Platform:
    """Guangzhou's purses may be loaded by others as well."""
    return make_platform(FOREIGN)


@pytest.fixture
def fixed_city(make_platform: MakePlatform) -> Platform:
    """Guangzhou's cards want the issuer's own terminal number."""
    return make_platform(FIXED)


def in_doubt(platform: Platform, element: Element, instant: Instant) -> tuple[str, str]:
    """A card and an order whose MAC2 left and whose TAC never came."""
    card_no, order_id = card_and_order(platform, element)
    element.faults.cut_inside(CREDIT, instant)
    platform.open(order_id, element).finish()
    return card_no, order_id


def evidence(platform: Platform) -> list[str]:
    return [row[0] for row in platform.rows("SELECT kind FROM evidence ORDER BY id")]


# A purse that only the platform loads --------------------------------------------------------------------------------


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_load_from_nowhere_freezes_the_card_and_keeps_the_money(any_platform: Platform, times: int) -> None:
    element = blank()
    card_no, order_id = card_and_order(any_platform, element)
    for _ in range(times):
        load_elsewhere(any_platform, element, card_no)

    ending = any_platform.open(order_id, element).finish()

    assert (ending["state"], ending["problem"]["code"]) == ("failed", "card_frozen")
    assert ending["problem"]["next_action"] == "contact_service"
    assert ending["outcome"]["money"] == "with_platform"
    assert any_platform.rows("SELECT state, frozen_reason FROM card") == [("frozen", "counter_jumped")]
    assert problem(any_platform.try_open(order_id, element)) == (409, "card_frozen")


def test_a_counter_that_jumped_over_a_load_in_doubt_freezes_the_card(any_platform: Platform) -> None:
    element = blank()
    card_no, order_id = in_doubt(any_platform, element, Instant.AFTER_WRITE)
    load_elsewhere(any_platform, element, card_no)

    ending = any_platform.open(order_id, element).finish()

    assert ending["problem"]["code"] == "card_frozen"
    assert ending["outcome"]["state"] == "held"
    assert any_platform.topup_state(order_id) == "held"
    assert attempts(any_platform) == ["uncertain"]


def test_another_order_finds_the_jump_and_only_the_one_in_doubt_is_held(platform: Platform) -> None:
    element = blank()
    card_no, order_id = in_doubt(platform, element, Instant.AFTER_WRITE)
    load_elsewhere(platform, element, card_no)
    other_id = str(platform.order_topup(card_no, AMOUNT)["order_id"])

    ending = platform.open(other_id, element).finish()

    assert ending["problem"]["code"] == "card_frozen"
    assert (platform.topup_state(order_id), platform.topup_state(other_id)) == ("held", "paid")
    refused = platform.try_open(order_id, element)
    assert problem(refused) == (409, "topup_not_loadable")
    assert (refused.json or {})["next_action"] == "contact_service"


def test_a_jump_before_the_report_holds_the_order_and_the_tac_still_settles_it(platform: Platform) -> None:
    element = blank()
    card_no, order_id = card_and_order(platform, element)
    talk = platform.open(order_id, element)
    talk.step()
    credited = talk.run()
    load_elsewhere(platform, element, card_no)
    platform.open(platform.order_topup(card_no, AMOUNT)["order_id"], element).finish()
    platform.clock.advance(minutes=3)
    platform.built.runner.run_due()
    between = platform.topup_state(order_id)

    talk.hand_in(credited)

    assert between == "held"
    assert (platform.topup_state(order_id), attempts(platform)) == ("loaded", ["loaded"])
    assert platform.rows("SELECT count(*) FROM outbox WHERE last_error IS NOT NULL") == [(0,)]


def test_a_balance_that_a_gate_took_down_again_does_not_undo_a_load(platform: Platform) -> None:
    element = blank()
    card_no, order_id = in_doubt(platform, element, Instant.AFTER_WRITE)
    purse = tunion(element).purse
    purse.state = replace(purse.state, balance=0, offline_counter=3)

    ending = platform.open(order_id, element).finish()

    assert ending["outcome"]["state"] == "loaded"
    assert card_no == ending["outcome"]["card_no"]


# A purse that others load too ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("prove", [Prove.ONCE, Prove.REPEATEDLY, Prove.NOT_SUPPORTED])
@pytest.mark.parametrize("incremented", [True, False])
def test_where_others_load_too_the_cards_own_trace_proves_a_load(
    open_city: Platform, prove: Prove, incremented: bool
) -> None:
    element = blank(prove=prove, log_incremented_counter=incremented)
    _, order_id = in_doubt(open_city, element, Instant.AFTER_WRITE)

    ending = open_city.open(order_id, element).finish()

    assert ending["outcome"]["state"] == "loaded"
    assert loaded_once(open_city, element, order_id)


def test_where_others_load_too_a_load_that_never_was_is_seen_by_the_counter(open_city: Platform) -> None:
    element = blank()
    _, order_id = in_doubt(open_city, element, Instant.BEFORE_WRITE)

    ending = open_city.open(order_id, element).finish()

    assert ending["outcome"]["state"] == "loaded"
    assert attempts(open_city) == ["dead", "loaded"]


def test_where_others_load_too_their_load_is_not_taken_for_ours(open_city: Platform) -> None:
    element = blank()
    card_no, order_id = in_doubt(open_city, element, Instant.BEFORE_WRITE)
    load_elsewhere(open_city, element, card_no)

    ending = open_city.open(order_id, element).finish()
    again = open_city.open(order_id, element).finish()

    assert (ending["state"], ending["problem"]["code"]) == ("failed", "load_still_uncertain")
    assert again["problem"]["next_action"] == "contact_service"
    assert open_city.topup_state(order_id) == "uncertain"
    assert attempts(open_city) == ["uncertain"]


def hiding(element: Element, *beginnings: str) -> Reply:
    """A phone that answers for the card that it knows nothing."""

    def reply(command: bytes) -> bytes:
        if command.hex().upper().startswith(beginnings):
            return b"\x6a\x83"
        return element.transmit(command)

    return reply


def test_where_others_load_too_a_load_without_any_trace_stays_open(open_city: Platform) -> None:
    element = blank()
    _, order_id = in_doubt(open_city, element, Instant.AFTER_WRITE)

    ending = open_city.open(order_id, element, reply=hiding(element, "805A", "00B2")).finish()

    assert ending["problem"]["code"] == "load_still_uncertain"
    assert open_city.open(order_id, element).finish()["outcome"]["state"] == "loaded"


@pytest.mark.parametrize("hidden", [["805A"], ["00B2"]])
def test_either_trace_is_enough(open_city: Platform, hidden: list[str]) -> None:
    element = blank()
    _, order_id = in_doubt(open_city, element, Instant.AFTER_WRITE)

    ending = open_city.open(order_id, element, reply=hiding(element, *hidden)).finish()

    assert ending["outcome"]["state"] == "loaded"


@pytest.mark.parametrize("garbage", [b"\x90\x00", bytes(7) + b"\x90\x00", bytes(23) + b"\x90\x00"])
def test_traces_that_are_garbage_are_no_traces(open_city: Platform, garbage: bytes) -> None:
    element = blank()
    _, order_id = in_doubt(open_city, element, Instant.AFTER_WRITE)

    def reply(command: bytes) -> bytes:
        return garbage if command[:2] in (b"\x80\x5a", b"\x00\xb2") else element.transmit(command)

    ending = open_city.open(order_id, element, reply=reply).finish()

    assert ending["problem"]["code"] == "load_still_uncertain"


def test_where_others_load_too_their_loads_are_noted_and_ours_goes_on(open_city: Platform) -> None:
    element = blank()
    card_no, order_id = card_and_order(open_city, element)
    load_elsewhere(open_city, element, card_no)
    load_elsewhere(open_city, element, card_no)

    ending = open_city.open(order_id, element).finish()

    assert ending["outcome"]["state"] == "loaded"
    assert "loaded_elsewhere" in evidence(open_city)
    assert (balance(element), counter(element)) == (AMOUNT + 600, 3)


def test_even_where_others_load_a_counter_never_goes_back(open_city: Platform) -> None:
    element = blank()
    card_no = open_city.issue(element)
    before = tunion(element).purse.state
    open_city.top_up(card_no, element)
    tunion(element).purse.state = before

    ending = open_city.top_up(card_no, element)

    assert ending["problem"]["code"] == "card_frozen"


# A city whose terminal number is fixed ---------------------------------------------------------------------------------


def initialised(talk: Conversation) -> tuple[int, str]:
    """Amount and terminal number of the question under way."""
    data = bytes.fromhex(talk.batch["commands"][-1]["apdu"])[5:16]
    return int.from_bytes(data[1:5], "big"), data[5:].hex()


def test_with_a_fixed_terminal_number_a_load_still_takes_two_exchanges(fixed_city: Platform) -> None:
    element = blank()
    _, order_id = card_and_order(fixed_city, element)
    talk = fixed_city.open(order_id, element)
    asked = initialised(talk)

    talk.finish()

    assert asked == (AMOUNT, "581000000001")
    assert len(talk.reports) == 2
    assert loaded_once(fixed_city, element, order_id)


@pytest.mark.parametrize(("instant", "exchanges"), [(Instant.BEFORE_WRITE, 3), (Instant.AFTER_WRITE, 1)])
def test_with_a_fixed_terminal_number_a_doubt_is_asked_with_another_amount(
    fixed_city: Platform, instant: Instant, exchanges: int
) -> None:
    element = blank()
    _, order_id = in_doubt(fixed_city, element, instant)

    talk = fixed_city.open(order_id, element)
    amount, terminal = initialised(talk)
    talk.finish()

    assert (amount != AMOUNT, terminal) == (True, "581000000001")
    assert len(talk.reports) == exchanges
    assert loaded_once(fixed_city, element, order_id)


def test_a_card_with_a_bad_random_cannot_be_loaded_by_a_dead_mac2(fixed_city: Platform) -> None:
    """CARD.md 6: an applet with a fixed random takes the old MAC2 for a new question with amount and terminal alike."""
    element = blank(fixed_random=b"\x01\x02\x03\x04")
    _, order_id = card_and_order(fixed_city, element)
    talk = fixed_city.open(order_id, element)
    talk.step()
    old_credit = bytes.fromhex(talk.batch["commands"][0]["apdu"])

    probing = fixed_city.open(order_id, element)
    report = probing.run()
    refused = element.transmit(old_credit)
    probing.hand_in(report)
    ending = probing.finish()

    assert refused[-2:] in (b"\x93\x02", b"\x69\x82")
    assert ending["outcome"]["state"] == "loaded"
    assert loaded_once(fixed_city, element, order_id)


# The service itself, as any door may call it ---------------------------------------------------------------------------


def question(talk: Conversation) -> tuple[str, LoadAnswer, dict[str, Any]]:
    """The nonce of the question under way, and the card's answer to it."""
    report = talk.run()
    return initialised(talk)[1], LoadAnswer.parse(bytes.fromhex(report["results"][-1]["data"])), report


def test_the_same_answer_gives_the_same_mac2_and_another_one_none(any_platform: Platform) -> None:
    element = blank()
    _, order_id = card_and_order(any_platform, element)
    loads = any_platform.service(Loads)
    talk = any_platform.open(order_id, element)
    nonce, answer, _ = question(talk)
    _, other, _ = question(talk)

    first = loads.answer(order_id, nonce, answer, Traces())
    again = loads.answer(order_id, nonce, answer, Traces())
    with pytest.raises(ChallengeSuperseded):
        loads.answer(order_id, nonce, other, Traces())

    assert isinstance(first, Authorised)
    assert isinstance(again, Authorised)
    assert (again.mac2, again.attempt) == (first.mac2, first.attempt)
    assert attempts(any_platform) == ["authorised"]


def test_an_answer_serves_the_order_that_asked_and_no_other(platform: Platform) -> None:
    element = blank()
    card_no, order_id = card_and_order(platform, element)
    other_id = platform.order_topup(card_no, AMOUNT)["order_id"]
    loads = platform.service(Loads)
    nonce, answer, _ = question(platform.open(order_id, element))

    for wrong in (
        lambda: loads.answer(other_id, nonce, answer, Traces()),
        lambda: loads.asked(other_id, nonce),
    ):
        with pytest.raises(ChallengeSuperseded):
            wrong()
    with pytest.raises(ChallengeSuperseded):
        loads.answer(order_id, "0" * 12, answer, Traces())

    assert attempts(platform) == []


def test_a_mac2_that_is_in_doubt_is_not_given_out_again(platform: Platform) -> None:
    element = blank()
    _, order_id = card_and_order(platform, element)
    loads = platform.service(Loads)
    nonce, answer, _ = question(platform.open(order_id, element))
    decision = loads.answer(order_id, nonce, answer, Traces())
    assert isinstance(decision, Authorised)
    loads.doubt(decision.attempt.id, "silent")

    with pytest.raises(ChallengeSuperseded):
        loads.answer(order_id, nonce, answer, Traces())

    assert attempts(platform) == ["uncertain"]


def test_a_question_from_before_the_mac2_does_not_decide_about_it(any_platform: Platform) -> None:
    """An answer collected before the load was authorised shows the old counter: it would give the money back."""
    element = blank()
    card_no, order_id = card_and_order(any_platform, element)
    other_id = any_platform.order_topup(card_no, AMOUNT)["order_id"]
    loads = any_platform.service(Loads)
    early_nonce, early, _ = question(any_platform.open(other_id, element))
    nonce, answer, _ = question(any_platform.open(order_id, element))
    loads.answer(order_id, nonce, answer, Traces())

    with pytest.raises(ChallengeSuperseded):
        loads.answer(other_id, early_nonce, early, Traces())

    assert attempts(any_platform) == ["authorised"]


def test_a_wrong_mac1_changes_nothing_at_all(platform: Platform) -> None:
    element = blank()
    _, order_id = card_and_order(platform, element)
    loads = platform.service(Loads)
    nonce, answer, _ = question(platform.open(order_id, element))
    forged = replace(answer, mac1=Mac4(bytes(4)))

    with pytest.raises(Mac1Wrong):
        loads.answer(order_id, nonce, forged, Traces())

    assert isinstance(loads.answer(order_id, nonce, answer, Traces()), Authorised)


def test_a_tac_after_the_card_disproved_the_load_freezes_the_card(any_platform: Platform) -> None:
    """Two cards with one number and one key: the one that took the money, and the one that says it did not."""
    element = blank()
    card_no, order_id = card_and_order(any_platform, element)
    talk = any_platform.open(order_id, element)
    talk.step()
    before = tunion(element).purse.state
    credited = talk.run()
    tunion(element).purse.state = before

    other = any_platform.open(any_platform.order_topup(card_no, AMOUNT)["order_id"], element)
    other.step()
    between = any_platform.topup_state(order_id)
    talk.hand_in(credited)
    ending = talk.finish()

    assert (between, attempts(any_platform)) == ("paid", ["dead", "authorised"])
    assert (ending["state"], ending["problem"]["code"]) == ("failed", "card_frozen")
    assert ending["outcome"]["money"] == "with_platform"
    assert any_platform.topup_state(order_id) == "held"  # PAID, it could be given back or loaded again
    assert any_platform.rows("SELECT state, frozen_reason FROM card") == [("frozen", "tac_after_decision")]


def test_a_frozen_card_stops_a_load_that_was_begun(platform: Platform) -> None:
    element = blank()
    _, order_id = card_and_order(platform, element)
    talk = platform.open(order_id, element)
    report = talk.run()
    platform.change("UPDATE card SET state = 'frozen'")

    answer = talk.send(talk.session_id, report)

    assert problem(answer) == (409, "card_frozen")
    assert attempts(platform) == []


@pytest.mark.parametrize("state", ["held", "refunding", "refunded", "closed", "written_off"])
def test_an_order_whose_money_went_elsewhere_is_not_loaded(platform: Platform, state: str) -> None:
    element = blank()
    _, order_id = card_and_order(platform, element)
    loads = platform.service(Loads)
    talk = platform.open(order_id, element)
    nonce, answer, _ = question(talk)
    platform.change("UPDATE topup_order SET state = :state", state=state)

    decision = loads.answer(order_id, nonce, answer, Traces())
    opened = platform.try_open(order_id, element)

    assert isinstance(decision, Stopped)
    assert not isinstance(decision.problem, CardFrozen)
    assert decision.problem.problem_code == "topup_not_loadable"
    assert problem(opened) == (409, "topup_not_loadable")
    assert attempts(platform) == []
