"""Any card at any city's terminal: loaded once, settled by whoever holds it next."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jwt
import pytest

from ota.sandbox.element.faults import CREDIT, Instant, PowerCut
from ota.sandbox.element.purse_crypto import Algorithm
from tests.elements import balance, blank, counter
from tests.platform import MakePlatform, Platform, problem
from tests.terminal.reader import Body, Reader
from tests.topup.elsewhere import load_elsewhere

AMOUNT = 5000


def reader_with_card(platform: Platform, by: str = "terminal", **options: Any) -> tuple[Reader, str]:
    """A Guangzhou card on a terminal's reader."""
    element = blank(**options)
    card_no = platform.issue(element)
    return Reader(platform, element, by), card_no


def torn(reader: Reader, instant: Instant) -> Body:
    """A load whose CREDIT was torn; the move that authorised it."""
    move = reader.order(AMOUNT)
    reader.element.faults.cut_inside(CREDIT, instant)
    with pytest.raises(PowerCut):
        reader.credit(move)
    return move


def attempts(platform: Platform) -> list[str]:
    return [row[0] for row in platform.rows("SELECT state FROM load_attempt ORDER BY authorised_at, id")]


@pytest.mark.parametrize(
    ("algorithm", "algorithm_id"), [(Algorithm.TDES, 0), (Algorithm.SM4, 1), (Algorithm.SM4, 4)]
)
def test_a_guangzhou_card_is_loaded_in_foshan(
    any_platform: Platform, algorithm: Algorithm, algorithm_id: int
) -> None:
    reader, card_no = reader_with_card(any_platform, purse_algorithm=algorithm, algorithm_id=algorithm_id)

    first = reader.order(AMOUNT)
    answer = reader.credit(first)
    loaded = reader.tell(first, answer).json or {}

    assert (first["state"], first["order_state"], first["money"]) == (
        "authorised",
        "loading",
        "decided_at_next_contact",
    )
    assert bytes.fromhex(first["apdu"])[5:16].hex().upper() == first["host_time"] + first["mac2"]
    assert (loaded["state"], loaded["money"], loaded["card_no"]) == ("loaded", "on_card", card_no)
    receipt = jwt.decode(loaded["receipt"], options={"verify_signature": False})
    assert (receipt["order_id"], receipt["amount_fen"]) == (first["load_id"], AMOUNT)
    assert (balance(reader.element), counter(reader.element)) == (AMOUNT, 1)


def test_a_card_never_seen_is_loaded(any_platform: Platform) -> None:
    reader, _ = reader_with_card(any_platform)
    reader.load(1000)
    any_platform.change("DELETE FROM card")

    move = reader.load(AMOUNT)

    assert move["state"] == "loaded"
    assert balance(reader.element) == 1000 + AMOUNT


def test_the_same_request_gets_the_same_mac2(any_platform: Platform) -> None:
    reader, _ = reader_with_card(any_platform)
    body = reader.ask_card(AMOUNT)

    first, again = reader.send(body, "k"), reader.send(body, "k")

    assert again.data == first.data
    assert attempts(any_platform) == ["authorised"]


def test_the_same_request_whose_first_answer_was_never_kept_gets_the_same_mac2(
    any_platform: Platform,
) -> None:
    reader, _ = reader_with_card(any_platform)
    body = reader.ask_card(AMOUNT)
    first = reader.send(body, "k").json or {}
    any_platform.change("DELETE FROM idempotency WHERE key = 'k'")

    again = reader.send(body, "k").json or {}
    reader.finish(first)
    any_platform.change("DELETE FROM idempotency WHERE key = 'k'")
    afterwards = reader.send(body, "k").json or {}

    assert again == first
    assert (afterwards["state"], afterwards["load_id"]) == ("loaded", first["load_id"])
    assert balance(reader.element) == AMOUNT


def test_one_answer_of_the_card_serves_one_load(platform: Platform) -> None:
    reader, _ = reader_with_card(platform)
    body = reader.ask_card(AMOUNT)
    reader.send(body)

    second = reader.send(body | {"payment": platform.payment(AMOUNT, by="terminal")})

    assert problem(second) == (409, "challenge_superseded")
    assert attempts(platform) == ["authorised"]


@pytest.mark.parametrize(
    ("instant", "decided"), [(Instant.BEFORE_WRITE, "dead"), (Instant.AFTER_WRITE, "loaded")]
)
def test_a_load_without_a_tac_is_settled_by_the_card(
    any_platform: Platform, instant: Instant, decided: str
) -> None:
    reader, _ = reader_with_card(any_platform)
    move = torn(reader, instant)

    probe = reader.tell(move, b"\x6f\x00").json or {}
    ending = reader.finish(probe)

    assert probe["state"] == "probe"
    assert ending["state"] == "loaded"
    assert attempts(any_platform)[0] == decided
    assert (balance(reader.element), counter(reader.element)) == (AMOUNT, 1)


@pytest.mark.parametrize("instant", Instant)
def test_a_load_in_doubt_is_resumed_at_another_citys_terminal(
    any_platform: Platform, instant: Instant
) -> None:
    reader, card_no = reader_with_card(any_platform)
    move = torn(reader, instant)
    kiosk = Reader(any_platform, reader.element, "kiosk")

    resumed = kiosk.resume(card_no).json or {}
    ending = kiosk.finish(resumed)

    assert (resumed["state"], resumed["load_id"]) == ("probe", move["load_id"])
    assert ending["state"] == "loaded"
    assert (balance(reader.element), counter(reader.element)) == (AMOUNT, 1)
    assert problem(kiosk.resume(card_no)) == (404, "nothing_to_resume")


@pytest.mark.parametrize("instant", Instant)
def test_a_wallets_load_in_doubt_is_settled_at_a_terminal(any_platform: Platform, instant: Instant) -> None:
    reader, card_no = reader_with_card(any_platform)
    order_id = any_platform.order_topup(card_no, AMOUNT)["order_id"]
    reader.element.faults.cut_inside(CREDIT, instant)
    any_platform.open(order_id, reader.element).finish()

    resumed = reader.resume(card_no).json or {}
    ending = reader.finish(resumed)

    assert resumed["load_id"] == order_id
    assert ending["state"] == "loaded"
    assert any_platform.topup_state(order_id) == "loaded"
    assert balance(reader.element) == AMOUNT


def test_a_terminals_load_in_doubt_is_settled_by_the_phone(any_platform: Platform) -> None:
    reader, card_no = reader_with_card(any_platform)
    torn(reader, Instant.AFTER_WRITE)

    ending = any_platform.top_up(card_no, reader.element)

    assert ending["outcome"]["state"] == "loaded"
    assert attempts(any_platform) == ["loaded", "loaded"]
    assert balance(reader.element) == 2 * AMOUNT


def test_a_second_load_while_one_is_open_asks_the_card_first(any_platform: Platform) -> None:
    reader, _ = reader_with_card(any_platform)
    first = torn(reader, Instant.AFTER_WRITE)

    second = reader.order(1000)
    ending = reader.finish(second)

    assert (second["state"], second["money"]) == ("probe", "with_platform")
    assert ending["state"] == "loaded"
    assert balance(reader.element) == AMOUNT + 1000
    assert (reader.ask(first["load_id"]).json or {})["state"] == "loaded"


def test_an_answer_that_was_under_way_too_long_is_asked_again(any_platform: Platform) -> None:
    reader, card_no = reader_with_card(any_platform)
    late = reader.ask_card(1000)
    any_platform.top_up(card_no, reader.element)

    move = reader.send(late).json or {}
    ending = reader.finish(move)

    assert move["state"] == "probe"
    assert ending["state"] == "loaded"
    assert balance(reader.element) == AMOUNT + 1000


def test_a_load_that_is_proven_needs_no_question(platform: Platform) -> None:
    reader, _ = reader_with_card(platform)
    move = reader.order(AMOUNT)
    reader.finish(move)

    asked = reader.ask(move["load_id"]).json or {}
    told_again = reader.tell(move, b"\x6f\x00").json or {}

    assert (asked["state"], told_again["state"]) == ("loaded", "loaded")


def test_a_result_for_a_load_that_was_never_authorised_asks_the_card(platform: Platform) -> None:
    reader, card_no = reader_with_card(platform)
    platform.order_topup(card_no, AMOUNT)
    asked = reader.resume(card_no).json or {}

    move = reader.tell(asked, b"\x6f\x00").json or {}

    assert move["state"] == "probe"
    assert reader.finish(move)["state"] == "loaded"


def test_a_load_whose_card_never_came_to_this_terminal_does_not_exist_here(platform: Platform) -> None:
    reader, card_no = reader_with_card(platform)
    wallets = platform.order_topup(card_no, AMOUNT)["order_id"]
    theirs = Reader(platform, reader.element, "kiosk").order(AMOUNT)

    answers = [reader.ask(load_id) for load_id in (wallets, theirs["load_id"])]
    told = reader.tell(theirs, b"\x6f\x00")

    assert [problem(answer) for answer in (*answers, told)] == [(404, "not_found")] * 3


def test_a_wrong_tac_is_no_proof_and_the_card_is_asked(platform: Platform) -> None:
    reader, _ = reader_with_card(platform)
    move = reader.order(AMOUNT)
    reader.credit(move)

    probe = reader.tell(move, bytes(4) + b"\x90\x00").json or {}
    ending = reader.finish(probe)

    assert (probe["state"], ending["state"]) == ("probe", "loaded")
    assert balance(reader.element) == AMOUNT


def test_a_tac_that_came_with_an_error_is_not_looked_at(platform: Platform) -> None:
    reader, _ = reader_with_card(platform)
    move = reader.order(AMOUNT)
    tac = reader.credit(move)[:-2]

    probe = reader.tell(move, tac + b"\x6f\x00").json or {}

    assert probe["state"] == "probe"
    assert reader.finish(probe)["state"] == "loaded"


def test_a_load_from_nowhere_stops_at_the_terminal_too(platform: Platform) -> None:
    reader, card_no = reader_with_card(platform)
    load_elsewhere(platform, reader.element, card_no)

    move = reader.order(AMOUNT)
    ending = reader.finish(move)

    assert (ending["state"], ending["problem"]["code"]) == ("stopped", "card_frozen")
    assert ending["money"] == "with_platform"
    assert set(ending["problem"]["message"]) == {"en", "zh-CN"}
    assert problem(reader.send(reader.ask_card(AMOUNT))) == (409, "card_frozen")


def test_a_full_purse_stops_with_the_money_at_the_platform(platform: Platform) -> None:
    reader, card_no = reader_with_card(platform, balance_ceiling=10**6)
    platform.top_up(card_no, reader.element, 98_000)

    move = reader.order(2001)

    assert (move["state"], move["problem"]["code"]) == ("stopped", "balance_over_ceiling")
    assert (move["money"], move["apdu"]) == ("with_platform", None)


def test_a_fixed_terminal_number_asks_twice_where_a_load_is_in_doubt(make_platform: MakePlatform) -> None:
    fixed = ('terminal_number = "nonce"', 'terminal_number = "fixed"\nfixed_number = "581000000001"')
    platform = make_platform({"cities/guangzhou.toml": [fixed]})
    reader, _ = reader_with_card(platform)
    move = torn(reader, Instant.BEFORE_WRITE)

    probe = reader.ask(move["load_id"]).json or {}
    again = reader.answer_probe(probe).json or {}
    ending = reader.finish(again)

    assert (probe["state"], again["state"]) == ("probe", "probe")
    assert again["probe"]["nonce"] != probe["probe"]["nonce"]
    assert ending["state"] == "loaded"
    assert balance(reader.element) == AMOUNT


# What is refused ---------------------------------------------------------------------------------------------------


def _other_card(platform: Platform, body: Body) -> Body:
    element = blank(seed="other")
    platform.issue(element)
    return body | {"ef15": Reader(platform, element).ask_card(AMOUNT)["ef15"]}


def _init(**changes: Any) -> Callable[[Platform, Body], Body]:
    return lambda _platform, body: body | {"init": body["init"] | changes}


def _body(**changes: Any) -> Callable[[Platform, Body], Body]:
    return lambda _platform, body: body | changes


REFUSED: dict[str, tuple[Callable[[Platform, Body], Body], tuple[int, str]]] = {
    "another terminal's number": (_body(terminal_no="602000000001"), (403, "terminal_differs")),
    "another card's file": (_other_card, (422, "invalid_value")),
    "a file of zeros": (_body(ef15="00" * 30), (422, "invalid_value")),
    "a file of garbage": (_body(ef15="FF" * 30), (422, "malformed_answer")),
    "a card of no city": (
        lambda _platform, body: (
            body
            | {
                "card_no": "3105990000000000001",
                "ef15": body["ef15"][:20] + "03105990000000000001" + body["ef15"][40:],
            }
        ),
        (422, "card_outside_province"),
    ),
    "a forged MAC1": (_init(mac1="00000000"), (422, "mac1_wrong")),
    "another balance": (_init(balance=1), (422, "mac1_wrong")),
    "an unknown algorithm": (_init(algorithm=0x77), (422, "malformed_answer")),
    "an unknown key version": (_init(key_version=0x77), (422, "card_key_unknown")),
    "a counter out of range": (_init(online_atc=65536), (400, "invalid_fields")),
    "a negative balance": (_init(balance=-1), (400, "invalid_fields")),
    "a long random": (_init(random="0011223344"), (400, "invalid_fields")),
    "too little": (_body(amount_fen=99), (422, "amount_outside_limits")),
    "another amount than paid": (_body(amount_fen=4000), (422, "payment_differs")),
    "an unknown field": (_body(colour="red"), (400, "invalid_fields")),
}


@pytest.mark.parametrize(("change", "expected"), REFUSED.values(), ids=REFUSED.keys())
def test_a_load_outside_the_contract_gets_no_mac2(
    platform: Platform, change: Callable[[Platform, Body], Body], expected: tuple[int, str]
) -> None:
    reader, _ = reader_with_card(platform)
    body = change(platform, reader.ask_card(AMOUNT))

    answer = reader.send(body)

    assert problem(answer) == expected
    assert attempts(platform) == []


def test_a_load_paid_by_another_callers_word_is_refused(platform: Platform) -> None:
    reader, _ = reader_with_card(platform)
    body = reader.ask_card(AMOUNT) | {"payment": platform.payment(AMOUNT, by="wallet")}

    assert problem(reader.send(body)) == (422, "signature_wrong")


def probing(platform: Platform) -> tuple[Reader, Body]:
    reader, _ = reader_with_card(platform)
    move = torn(reader, Instant.AFTER_WRITE)
    return reader, reader.ask(move["load_id"]).json or {}


WRONG_ANSWERS: dict[str, Callable[[Body, list[Body]], Any]] = {
    "too few": lambda move, results: {"nonce": move["probe"]["nonce"], "results": results[:-1]},
    "too many": lambda move, results: {"nonce": move["probe"]["nonce"], "results": [*results, results[-1]]},
    "turned around": lambda move, results: {"nonce": move["probe"]["nonce"], "results": results[::-1]},
    "none": lambda move, _results: {"nonce": move["probe"]["nonce"], "results": []},
    "without a nonce": lambda _move, results: {"results": results},
    "without results": lambda move, _results: {"nonce": move["probe"]["nonce"]},
    "an unknown nonce": lambda _move, results: {"nonce": "000000000000", "results": results},
    "a nonce of text": lambda _move, results: {"nonce": "a b", "results": results},
    "refused by the card": lambda move, results: {
        "nonce": move["probe"]["nonce"],
        "results": [*results[:-1], results[-1] | {"sw": "6985", "data": ""}],
    },
    "a malformed answer": lambda move, results: {
        "nonce": move["probe"]["nonce"],
        "results": [*results[:-1], results[-1] | {"data": "00" * 15}],
    },
    "a forged answer": lambda move, results: {
        "nonce": move["probe"]["nonce"],
        "results": [*results[:-1], results[-1] | {"data": "00" * 6 + "0100" + "00" * 8}],
    },
}


@pytest.mark.parametrize("wrong", WRONG_ANSWERS.values(), ids=WRONG_ANSWERS.keys())
def test_an_answer_that_does_not_fit_the_question_decides_nothing(
    platform: Platform, wrong: Callable[[Body, list[Body]], Any]
) -> None:
    reader, move = probing(platform)
    results = reader.run_probe(move)

    answer = platform.post(
        f"/v1/terminals/loads/{move['load_id']}/probe", wrong(move, results), by="terminal"
    )

    assert 400 <= answer.status_code < 500, answer.text
    assert problem(answer)[1]
    assert "loaded" not in attempts(platform)
    assert reader.answer_probe(move, results).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {"sw": "90"},
        {"sw": "9000", "tac": "00"},
        {"sw": "9000", "tac": "0011223344"},
        {"sw": "9000", "balance": -1},
        {"tac": "00112233"},
    ],
)
def test_a_result_outside_the_contract_is_refused(platform: Platform, body: Body) -> None:
    reader, _ = reader_with_card(platform)
    move = reader.order(AMOUNT)

    answer = platform.post(f"/v1/terminals/loads/{move['load_id']}/result", body, by="terminal")

    assert problem(answer) == (400, "invalid_fields")
    assert attempts(platform) == ["authorised"]


@pytest.mark.parametrize("path", ["/v1/terminals/loads/top_0/result", "/v1/terminals/loads/top_0/probe"])
def test_a_load_that_does_not_exist_is_told(platform: Platform, path: str) -> None:
    body: Body = {"sw": "6F00"} if path.endswith("result") else {}

    assert problem(platform.post(path, body, by="terminal")) == (404, "not_found")


def test_nothing_to_resume_is_told_and_another_terminals_name_is_refused(platform: Platform) -> None:
    reader, card_no = reader_with_card(platform)
    body = {"terminal_no": "602000000001", "card_no": card_no}

    assert problem(reader.resume(card_no)) == (404, "nothing_to_resume")
    assert problem(platform.post("/v1/terminals/loads/resume", body, by="terminal")) == (
        403,
        "terminal_differs",
    )


@pytest.mark.parametrize("by", ["wallet", "clerk"])
def test_only_terminals_load_like_terminals(platform: Platform, by: str) -> None:
    reader, card_no = reader_with_card(platform)
    body = reader.ask_card(AMOUNT)

    answer = platform.post("/v1/terminals/loads", body, by=by)

    assert problem(answer) == (403, "scope_missing")
    assert card_no == body["card_no"]
