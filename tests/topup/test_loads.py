"""A load and everything that comes between: nothing is credited twice, nothing is forgotten."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ota.sandbox.element.card_os import Element
from ota.sandbox.element.faults import CREDIT, Instant
from ota.sandbox.element.purse_crypto import Algorithm
from tests.elements import balance, blank, counter, tunion
from tests.phone import Conversation, Reply, forging, make_report, silent
from tests.platform import MakePlatform, Platform, problem

AMOUNT = 5000


def card_and_order(platform: Platform, element: Element, amount: int = AMOUNT) -> tuple[str, str]:
    card_no = platform.issue(element)
    return card_no, str(platform.order_topup(card_no, amount)["order_id"])


def attempts(platform: Platform) -> list[str]:
    return [row[0] for row in platform.rows("SELECT state FROM load_attempt ORDER BY authorised_at, id")]


def loaded_once(platform: Platform, element: Element, order_id: str) -> bool:
    """The order's money is in the purse, once, and the books say the same."""
    in_the_books = platform.topup_state(order_id), attempts(platform).count("loaded")
    return in_the_books == ("loaded", 1) and balance(element) == AMOUNT and counter(element) == 1


# The good way ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("algorithm", "algorithm_id"), [(Algorithm.TDES, 0), (Algorithm.SM4, 1), (Algorithm.SM4, 4)]
)
def test_the_card_chooses_the_algorithm_of_its_load(
    platform: Platform, algorithm: Algorithm, algorithm_id: int
) -> None:
    element = blank(purse_algorithm=algorithm, algorithm_id=algorithm_id)
    _, order_id = card_and_order(platform, element)
    talk = platform.open(order_id, element)

    ending = talk.finish()

    assert len(talk.reports) == 2
    assert ending["receipt"].count(".") == 2
    assert loaded_once(platform, element, order_id)
    assert platform.rows("SELECT DISTINCT algorithm_id FROM load_attempt") == [(algorithm_id,)]


def test_load_follows_load_and_the_counter_is_known(any_platform: Platform) -> None:
    element = blank()
    card_no = any_platform.issue(element)

    endings = [any_platform.top_up(card_no, element) for _ in range(3)]

    assert [ending["outcome"]["state"] for ending in endings] == ["loaded"] * 3
    assert (balance(element), counter(element)) == (3 * AMOUNT, 3)
    assert (any_platform.get(f"/v1/cards/{card_no}").json or {})["next_online_atc"] == 3


def test_a_loaded_order_is_told_and_not_loaded_again(platform: Platform) -> None:
    element = blank()
    _, order_id = card_and_order(platform, element)
    platform.open(order_id, element).finish()

    again = platform.try_open(order_id, element)

    assert (again.json or {})["batch"]["state"] == "done"
    assert (again.json or {})["batch"]["outcome"]["money"] == "on_card"
    assert balance(element) == AMOUNT


def test_a_card_never_seen_is_loaded_whatever_its_counter(any_platform: Platform) -> None:
    element = blank()
    card_no = any_platform.issue(element)
    any_platform.top_up(card_no, element)
    any_platform.change("DELETE FROM card")

    order_id = any_platform.order_topup(card_no, AMOUNT, by="rival")["order_id"]
    ending = any_platform.open(order_id, element, by="rival").finish()

    assert ending["outcome"]["state"] == "loaded"
    assert balance(element) == 2 * AMOUNT
    assert any_platform.rows("SELECT product, wallet_id, last_atc FROM card") == [(None, None, 2)]


# The card refuses --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ins", "sw", "code"),
    [
        (0xA4, 0x6A82, "application_absent"),
        (0xA4, 0x6283, "application_locked"),
        (0xA4, 0x6A81, "application_locked"),
        (0x50, 0x6985, "conditions_not_satisfied"),
        (0x50, 0x6982, "pin_needed"),
        (0x50, 0x6A81, "application_locked"),
        (0x50, 0x9402, "counter_exhausted"),
        (0x50, 0x9403, "key_index_unknown"),
        (0x50, 0x9303, "application_locked_forever"),
        (0x50, 0x63C2, "pin_tries_left"),
        (0x50, 0x4711, "unexpected_status"),
    ],
)
def test_a_card_that_refuses_to_begin_keeps_the_money_with_the_platform(
    platform: Platform, ins: int, sw: int, code: str
) -> None:
    element = blank()
    _, order_id = card_and_order(platform, element)
    talk = platform.open(order_id, element)
    element.faults.answer(ins, sw)

    ending = talk.finish()

    assert (ending["state"], ending["problem"]["code"]) == ("failed", code)
    assert (ending["outcome"]["state"], ending["outcome"]["money"]) == ("paid", "with_platform")
    assert attempts(platform) == []
    assert platform.open(order_id, element).finish()["outcome"]["state"] == "loaded"


@pytest.mark.parametrize("sw", [0x9302, 0x6985, 0x6982, 0x6581, 0x6A80])
def test_a_card_that_refuses_the_credit_is_asked_and_loaded_in_the_same_session(
    platform: Platform, sw: int
) -> None:
    element = blank()
    _, order_id = card_and_order(platform, element)
    talk = platform.open(order_id, element)
    element.faults.answer(0x52, sw)

    ending = talk.finish()

    assert ending["outcome"]["state"] == "loaded"
    assert loaded_once(platform, element, order_id)
    assert attempts(platform) == ["dead", "loaded"]


def test_a_balance_that_cannot_be_read_afterwards_does_not_unload(platform: Platform) -> None:
    element = blank()
    _, order_id = card_and_order(platform, element)
    talk = platform.open(order_id, element)
    talk.step()
    element.faults.answer(0x5C, 0x6A81)

    ending = talk.finish()

    assert ending["outcome"]["state"] == "loaded"
    assert loaded_once(platform, element, order_id)


@pytest.mark.parametrize("length", [0, 15, 17, 200])
def test_a_malformed_answer_ends_the_session_and_keeps_the_money(platform: Platform, length: int) -> None:
    element = blank()
    _, order_id = card_and_order(platform, element)

    ending = platform.open(
        order_id, element, reply=forging(element, "805000020B", bytes(length) + b"\x90\x00")
    ).finish()

    assert (ending["problem"]["code"], ending["outcome"]["state"]) == ("malformed_answer", "paid")


def changed_answer(element: Element, at: int, value: int) -> Reply:
    """One byte of the answer to INITIALIZE FOR LOAD is another one."""

    def reply(command: bytes) -> bytes:
        answer = bytearray(element.transmit(command))
        if command.startswith(bytes.fromhex("805000020B")):
            answer[at] ^= value
        return bytes(answer)

    return reply


@pytest.mark.parametrize(
    ("byte", "value", "code"),
    [
        (0, 0x80, "mac1_wrong"),  # the balance
        (5, 1, "mac1_wrong"),  # the counter
        (8, 1, "mac1_wrong"),  # the random
        (15, 0x80, "mac1_wrong"),  # the MAC itself
        (6, 0x70, "card_key_unknown"),
    ],
)
def test_an_altered_answer_is_refused_and_the_true_one_still_counts(
    any_platform: Platform, byte: int, value: int, code: str
) -> None:
    element = blank()
    _, order_id = card_and_order(any_platform, element)
    talk = any_platform.open(order_id, element)
    true = talk.run()
    last = true["results"][-1]
    data = bytearray.fromhex(last["data"])
    data[byte] ^= value
    altered = _with_data(talk, true, bytes(data))

    refused = talk.send(talk.session_id, altered)

    assert problem(refused) == (422, code)
    assert attempts(any_platform) == []
    assert talk.hand_in(true).status_code == 200
    assert talk.finish()["outcome"]["state"] == "loaded"


def _with_data(talk: Conversation, report: dict[str, Any], data: bytes) -> dict[str, Any]:
    *first, last = report["results"]
    return make_report(talk.batch, [*first, last | {"data": data.hex().upper()}])


def test_an_algorithm_that_nobody_configured_is_not_guessed(platform: Platform) -> None:
    element = blank()
    _, order_id = card_and_order(platform, element)

    ending = platform.open(order_id, element, reply=changed_answer(element, 7, 0x77)).finish()

    assert ending["problem"]["code"] == "malformed_answer"
    assert ending["problem"]["details"]["what"] == "algorithm identifier"
    assert ending["outcome"]["state"] == "paid"


# Ceilings ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "state", "code"), [(2000, "loaded", None), (2001, "paid", "balance_over_ceiling")]
)
def test_a_load_may_fill_the_purse_to_the_citys_ceiling_and_no_further(
    platform: Platform, amount: int, state: str, code: str | None
) -> None:
    element = blank(balance_ceiling=10**6)
    card_no = platform.issue(element)
    platform.top_up(card_no, element, 98_000)

    ending = platform.top_up(card_no, element, amount)

    assert ending["outcome"]["state"] == state
    assert (ending["problem"] or {}).get("code") == code


def test_a_purse_that_holds_less_than_the_city_allows_is_not_overfilled(make_platform: MakePlatform) -> None:
    ceiling = ("ceiling_fen = 100000 ", "ceiling_fen = 6000 ")
    platform = make_platform({"cards/gd-compatible.toml": [ceiling]})
    element = blank()
    card_no, order_id = card_and_order(platform, element)
    platform.open(order_id, element).finish()

    ending = platform.top_up(card_no, element, 1001)

    assert ending["problem"]["code"] == "purse_full"
    assert ending["problem"]["details"] == {"ceiling_fen": 6000, "room_fen": 1000}
    assert platform.top_up(card_no, element, 1000)["outcome"]["state"] == "loaded"


def test_a_card_that_finds_itself_full_keeps_the_money_with_the_platform(platform: Platform) -> None:
    element = blank(balance_ceiling=4999)
    card_no = platform.issue(element)

    ending = platform.top_up(card_no, element)

    assert (ending["problem"]["code"], ending["outcome"]["state"]) == ("conditions_not_satisfied", "paid")


# Breaks ------------------------------------------------------------------------------------------------------------


def test_a_card_torn_after_its_tac_has_proven_its_load(platform: Platform) -> None:
    element = blank()
    _, order_id = card_and_order(platform, element)
    element.faults.cut_after(4)

    ending = platform.open(order_id, element).finish()

    assert (ending["state"], ending["outcome"]["state"]) == ("done", "loaded")
    assert loaded_once(platform, element, order_id)


@pytest.mark.parametrize("after", [1, 2, 3])
def test_a_load_torn_after_any_command_is_in_the_purse_once_after_the_next_contact(
    any_platform: Platform, after: int
) -> None:
    element = blank()
    _, order_id = card_and_order(any_platform, element)
    element.faults.cut_after(after)

    lost = any_platform.open(order_id, element).finish()
    again = any_platform.open(order_id, element).finish()

    assert (lost["state"], lost["problem"]["next_action"]) == ("uncertain", "resume")
    assert again["outcome"]["state"] == "loaded"
    assert loaded_once(any_platform, element, order_id)


@pytest.mark.parametrize(
    ("instant", "exchanges", "decided"),
    [(Instant.BEFORE_WRITE, 2, ["dead", "loaded"]), (Instant.AFTER_WRITE, 1, ["loaded"])],
)
def test_a_load_torn_inside_the_credit_is_decided_by_the_card(
    any_platform: Platform, instant: Instant, exchanges: int, decided: list[str]
) -> None:
    element = blank()
    _, order_id = card_and_order(any_platform, element)
    element.faults.cut_inside(CREDIT, instant)
    lost = any_platform.open(order_id, element).finish()
    in_doubt = any_platform.topup_state(order_id)

    talk = any_platform.open(order_id, element)
    talk.finish()

    assert (lost["outcome"]["money"], in_doubt) == ("decided_at_next_contact", "uncertain")
    assert len(talk.reports) == exchanges
    assert attempts(any_platform) == decided
    assert loaded_once(any_platform, element, order_id)


def test_a_report_that_never_arrives_costs_nobody_anything(any_platform: Platform) -> None:
    element = blank()
    _, order_id = card_and_order(any_platform, element)
    talk = any_platform.open(order_id, element)
    talk.step()
    lost = talk.run()  # the card is credited, the report is lost with the phone

    ending = any_platform.open(order_id, element).finish()
    late = talk.send(talk.session_id, lost)

    assert ending["outcome"]["state"] == "loaded"
    assert problem(late) == (409, "session_over")
    assert loaded_once(any_platform, element, order_id)


def test_silence_after_a_mac2_is_called_uncertain_and_decided_by_the_card(any_platform: Platform) -> None:
    element = blank()
    _, order_id = card_and_order(any_platform, element)
    talk = any_platform.open(order_id, element)
    talk.step()
    any_platform.built.runner.run_due()
    too_early = any_platform.topup_state(order_id)
    any_platform.clock.advance(minutes=3)

    any_platform.built.runner.run_due()

    assert (too_early, any_platform.topup_state(order_id)) == ("loading", "uncertain")
    assert talk.finish()["outcome"]["state"] == "loaded"
    assert loaded_once(any_platform, element, order_id)


def test_silence_after_a_proof_changes_nothing(platform: Platform) -> None:
    element = blank()
    _, order_id = card_and_order(platform, element)
    platform.open(order_id, element).finish()
    platform.clock.advance(minutes=3)

    platform.built.runner.run_due()

    assert loaded_once(platform, element, order_id)


# Lies --------------------------------------------------------------------------------------------------------------


def test_a_wrong_tac_is_no_proof_and_the_card_is_asked(platform: Platform) -> None:
    element = blank()
    _, order_id = card_and_order(platform, element)

    def reply(command: bytes) -> bytes:
        answer = element.transmit(command)
        return bytes(4) + b"\x90\x00" if command.startswith(b"\x80\x52") else answer

    talk = platform.open(order_id, element, reply=reply)
    ending = talk.finish()

    assert ending["outcome"]["state"] == "loaded"
    assert len(talk.reports) == 3
    assert loaded_once(platform, element, order_id)
    assert platform.rows("SELECT kind FROM evidence ORDER BY id") == [("no_proof",), ("fresh_mac1",)]


@pytest.mark.parametrize("forged", [b"\x90\x00", bytes(3) + b"\x90\x00", bytes(4) + b"\x90\x00"])
def test_a_phone_that_says_loaded_again_and_again_is_sent_away(platform: Platform, forged: bytes) -> None:
    element = blank()
    _, order_id = card_and_order(platform, element)

    talk = platform.open(order_id, element, reply=forging(element, "8052", forged))
    ending = talk.finish()

    assert (ending["state"], ending["problem"]["code"]) == ("uncertain", "too_many_rounds")
    assert balance(element) == 0
    assert platform.open(order_id, element).finish()["outcome"]["state"] == "loaded"
    assert loaded_once(platform, element, order_id)


def test_an_old_answer_of_the_card_does_not_disprove_a_load(any_platform: Platform) -> None:
    element = blank()
    _, order_id = card_and_order(any_platform, element)
    first = any_platform.open(order_id, element)
    old = first.run()
    first.hand_in(old)
    first.run()  # the card is credited; the thief keeps the TAC to himself
    again = any_platform.open(order_id, element)
    truth = again.run()
    old_answer = bytes.fromhex(old["results"][-1]["data"])

    refused = again.send(again.session_id, _with_data(again, truth, old_answer))

    assert problem(refused) == (422, "mac1_wrong")
    assert any_platform.topup_state(order_id) in ("loading", "uncertain")
    assert again.hand_in(truth).status_code == 200
    assert loaded_once(any_platform, element, order_id)


def test_answering_one_question_twice_gets_no_second_mac2(platform: Platform) -> None:
    element = blank()
    _, order_id = card_and_order(platform, element)
    talk = platform.open(order_id, element)
    first, second = talk.run(), talk.run()
    talk.hand_in(first)

    refused = talk.send(talk.session_id, second)

    assert first["results"][-1] != second["results"][-1]
    assert problem(refused) == (409, "sequence_conflict")
    assert attempts(platform) == ["authorised"]


# More than one at a time -------------------------------------------------------------------------------------------


def test_of_two_questions_to_one_card_the_newer_counts_and_both_orders_get_their_money(
    any_platform: Platform,
) -> None:
    element = blank()
    card_no, first_id = card_and_order(any_platform, element)
    second_id = any_platform.order_topup(card_no, AMOUNT)["order_id"]
    first, second = any_platform.open(first_id, element), any_platform.open(second_id, element)

    superseded = first.step()
    ending = first.finish()
    late = second.step()
    last = second.finish()

    assert (superseded.json or {})["progress"]["step"] == "initialise_load"
    assert (late.json or {})["progress"]["step"] == "initialise_load"
    assert (ending["outcome"]["state"], last["outcome"]["state"]) == ("loaded", "loaded")
    assert (balance(element), counter(element)) == (2 * AMOUNT, 2)


def test_one_card_never_has_two_live_authorisations(any_platform: Platform) -> None:
    element = blank()
    card_no, first_id = card_and_order(any_platform, element)
    order_ids = [first_id] + [any_platform.order_topup(card_no, AMOUNT)["order_id"] for _ in range(3)]
    processes = [any_platform.another_process() for _ in order_ids]
    ready = [process.app.name for process in processes]
    talks = [process.open(order_id, element) for process, order_id in zip(processes, order_ids, strict=True)]
    reports = [talk.run() for talk in talks]

    with ThreadPoolExecutor(len(ready)) as pool:
        answers = list(pool.map(lambda talk, report: talk.hand_in(report), talks, reports))

    assert [answer.status_code for answer in answers] == [200] * 4
    assert attempts(any_platform).count("authorised") <= 1
    for talk in talks:
        talk.finish()
    assert [any_platform.topup_state(order_id) for order_id in order_ids] == ["loaded"] * 4
    assert (balance(element), counter(element)) == (4 * AMOUNT, 4)
    for process in processes:
        process.built.store.close()


def test_another_order_of_the_card_settles_the_one_in_doubt_first(any_platform: Platform) -> None:
    element = blank()
    card_no, first_id = card_and_order(any_platform, element)
    element.faults.cut_inside(CREDIT, Instant.AFTER_WRITE)
    any_platform.open(first_id, element).finish()

    ending = any_platform.top_up(card_no, element)

    assert ending["outcome"]["state"] == "loaded"
    assert any_platform.topup_state(first_id) == "loaded"
    assert (balance(element), counter(element)) == (2 * AMOUNT, 2)


def test_another_order_of_the_card_gives_the_money_of_a_dead_one_back(any_platform: Platform) -> None:
    element = blank()
    card_no, first_id = card_and_order(any_platform, element)
    element.faults.cut_inside(CREDIT, Instant.BEFORE_WRITE)
    any_platform.open(first_id, element).finish()

    any_platform.top_up(card_no, element)
    between = any_platform.topup_state(first_id)
    any_platform.open(first_id, element).finish()

    assert (between, any_platform.topup_state(first_id)) == ("paid", "loaded")
    assert balance(element) == 2 * AMOUNT


def test_an_element_that_says_nothing_leaves_the_money_where_it_is(platform: Platform) -> None:
    element = blank()
    _, order_id = card_and_order(platform, element)

    ending = platform.open(order_id, element, reply=silent).finish()

    assert (ending["state"], ending["outcome"]["state"]) == ("uncertain", "paid")
    assert tunion(element).purse.state.log == ()
