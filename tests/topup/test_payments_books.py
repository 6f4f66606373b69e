"""Whatever a wallet says about money: what was captured is booked, once, and goes where it belongs."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.books import balances, checked
from tests.elements import blank
from tests.platform import MakePlatform, Platform, number, problem

CARD = number(900).digits
PAID = {"channel:alipay": 5000, "suspense:5810": -5000}
Sign = Callable[[Platform], str]


def unpaid(platform: Platform, amount: int = 5000) -> str:
    return str(platform.order_topup(CARD, amount, payment=None)["order_id"])


def pay(platform: Platform, order_id: str, payment: str, *, by: str = "wallet") -> TestResponse:
    return platform.post(f"/v1/topups/{order_id}/payment", {"payment": payment}, by=by)


def refunds_of(platform: Platform, order_id: str) -> list[dict[str, Any]]:
    answer = platform.get(f"/v1/topups/{order_id}/refunds")
    return list((answer.json or {})["refunds"])


def test_a_payment_is_in_suspense_until_the_card_has_it(any_platform: Platform) -> None:
    any_platform.order_topup(CARD, 5000)

    assert balances(any_platform) == PAID
    assert checked(any_platform).differences == []


def test_a_proven_load_moves_the_money_onto_the_card(any_platform: Platform) -> None:
    element = blank()
    card_no = any_platform.issue(element)

    any_platform.top_up(card_no, element, 5000)

    report = checked(any_platform)
    assert balances(any_platform) == {"channel:alipay": 5000, "card_liability:5810": -5000}
    assert (report.captured_fen, report.on_cards_fen, report.differences) == (5000, 5000, [])


def test_a_lost_notice_is_sent_again_and_counts_once(platform: Platform) -> None:
    order_id = unpaid(platform)
    payment = platform.payment(5000, "trade-lost")
    pay(platform, order_id, payment)  # its answer was lost; the wallet uses a new key

    again = pay(platform, order_id, payment)

    assert again.status_code == 200
    assert balances(platform) == PAID
    assert checked(platform).differences == []


def test_a_late_notice_opens_a_closed_order_again(platform: Platform) -> None:
    order_id = unpaid(platform)
    platform.post(f"/v1/topups/{order_id}/cancel")

    answer = pay(platform, order_id, platform.payment(5000))

    assert answer.status_code == 200
    assert platform.topup_state(order_id) == "paid"
    assert balances(platform) == PAID


def test_a_payment_of_another_amount_is_booked_and_goes_back(any_platform: Platform) -> None:
    order_id = unpaid(any_platform)

    answer = pay(any_platform, order_id, any_platform.payment(4999))

    details = (answer.json or {})["details"]
    (refund,) = refunds_of(any_platform, order_id)
    assert problem(answer) == (422, "payment_differs")
    assert details["money"] == "on_its_way_back"
    assert details["payment_id"] == refund["payment_id"]
    assert (refund["amount_fen"], refund["reason"], refund["state"]) == (4999, "amount_differs", "requested")
    assert any_platform.topup_state(order_id) == "created"
    assert balances(any_platform) == {"channel:alipay": 4999, "refund_payable:5810": -4999}
    assert checked(any_platform).differences == []


def test_an_order_with_a_payment_of_another_amount_stays_unpaid_and_answers_the_same(
    platform: Platform,
) -> None:
    body = {"card_no": CARD, "amount_fen": 5000, "payment": platform.payment(100, "trade-x")}

    first = platform.post("/v1/topups", body, key="one")
    again = platform.post("/v1/topups", body, key="one")

    assert problem(first) == (422, "payment_differs")
    assert (again.json or {})["details"] == (first.json or {})["details"]
    assert [row.state for row in platform.rows("SELECT state FROM topup_order")] == ["created"]
    assert balances(platform) == {"channel:alipay": 100, "refund_payable:5810": -100}


def test_the_order_can_be_paid_after_a_payment_that_did_not_fit(platform: Platform) -> None:
    order_id = unpaid(platform)
    pay(platform, order_id, platform.payment(1))

    answer = pay(platform, order_id, platform.payment(5000))

    assert answer.status_code == 200
    assert platform.topup_state(order_id) == "paid"
    assert checked(platform).differences == []


def test_a_second_trade_for_a_paid_order_is_booked_and_goes_back(any_platform: Platform) -> None:
    order_id = unpaid(any_platform)
    pay(any_platform, order_id, any_platform.payment(5000))
    second = any_platform.payment(5000, "trade-second", channel="wechat")

    first_answer = pay(any_platform, order_id, second)
    again = pay(any_platform, order_id, second)

    (refund,) = refunds_of(any_platform, order_id)
    assert problem(first_answer) == (409, "paid_already")
    assert (again.json or {})["details"] == (first_answer.json or {})["details"]
    assert refund["reason"] == "paid_twice"
    assert balances(any_platform) == PAID | {"channel:wechat": 5000, "refund_payable:5810": -5000}
    assert checked(any_platform).differences == []


def test_a_payment_after_the_load_goes_back(platform: Platform) -> None:
    element = blank()
    order = platform.order_topup(platform.issue(element), 5000)
    platform.open(order["order_id"], element).finish()

    answer = pay(platform, order["order_id"], platform.payment(5000))

    report = checked(platform)
    assert problem(answer) == (409, "paid_already")
    assert platform.topup_state(order["order_id"]) == "loaded"
    assert (report.on_cards_fen, report.refund_payable_fen, report.differences) == (5000, 5000, [])


def test_a_payment_after_the_refund_goes_back_too(platform: Platform) -> None:
    order_id = str(platform.order_topup(CARD)["order_id"])
    platform.post(f"/v1/topups/{order_id}/refund")

    answer = pay(platform, order_id, platform.payment(5000))

    assert problem(answer) == (409, "paid_already")
    assert [refund["reason"] for refund in refunds_of(platform, order_id)] == ["requested", "paid_twice"]
    assert checked(platform).refund_payable_fen == 10000


def test_a_trade_of_another_order_pays_nothing(platform: Platform) -> None:
    payment = platform.payment(5000, "trade-one")
    pay(platform, unpaid(platform), payment)
    other = unpaid(platform)

    answer = pay(platform, other, payment)

    assert problem(answer) == (409, "payment_used")
    assert balances(platform) == PAID
    assert evidence_of(platform, other) == ["payment_used"]


def test_a_trade_that_another_caller_has_claimed_is_told_apart_and_kept_with_both_names(
    platform: Platform, caplog: pytest.LogCaptureFixture
) -> None:
    honest = unpaid(platform)
    squatted = str(platform.order_topup(CARD, 100, by="rival", payment=None)["order_id"])
    claim = {"payment": platform.payment(100, "trade-one", by="rival")}
    platform.post(f"/v1/topups/{squatted}/payment", claim, by="rival")

    answer = pay(platform, honest, platform.payment(5000, "trade-one"))

    notes = [
        json.loads(row.data)
        for row in platform.rows("SELECT data FROM evidence WHERE order_id = :id", id=honest)
    ]
    assert problem(answer) == (409, "payment_claimed_by_another")
    assert (answer.json or {})["next_action"] == "contact_service"
    assert "rival" not in (answer.get_data(as_text=True))
    assert [note["claimed_by"] for note in notes] == ["rival"]
    assert [(note["caller"], note["channel"], note["trade_no"]) for note in notes] == [
        ("wallet", "alipay", "trade-one")
    ]
    assert "is claimed by wallet, and was by rival" in caplog.text


def test_a_trade_whose_amount_has_changed_pays_nothing_more(platform: Platform) -> None:
    order_id = unpaid(platform)
    pay(platform, order_id, platform.payment(5000, "trade-one"))

    answer = pay(platform, order_id, platform.payment(5001, "trade-one"))

    assert problem(answer) == (422, "payment_differs")
    assert "payment_id" not in (answer.json or {})["details"]
    assert balances(platform) == PAID


def evidence_of(platform: Platform, order_id: str) -> list[str]:
    rows = platform.rows(
        "SELECT data FROM evidence WHERE order_id = :id AND kind = 'payment_refused'", id=order_id
    )
    return [row.data.split('"')[3] for row in rows]


def tampered(platform: Platform) -> str:
    head, body, signature = platform.payment(5000).split(".")
    return f"{head}.{body}.{signature[:-4]}AAAA"


@pytest.mark.parametrize(
    ("sign", "status", "code"),
    [
        pytest.param(tampered, 422, "signature_wrong", id="tampered"),
        pytest.param(lambda p: p.payment(5000, by="rival"), 422, "signature_wrong", id="another caller's"),
        pytest.param(
            lambda p: p.payment(5000, iss="rival"), 422, "signature_wrong", id="in another caller's name"
        ),
        pytest.param(
            lambda p: p.payment(5000, aud="other"), 422, "signature_wrong", id="for another platform"
        ),
        pytest.param(lambda p: p.payment(5000, currency="USD"), 422, "payment_differs", id="dollars"),
        pytest.param(lambda p: p.payment(5000, amount_fen=50.0), 422, "invalid_value", id="yuan as a float"),
        pytest.param(lambda p: p.payment(0), 422, "invalid_value", id="nothing"),
        pytest.param(lambda p: p.payment(-5000), 422, "invalid_value", id="less than nothing"),
        pytest.param(lambda p: p.payment(5000, channel="x" * 33), 422, "invalid_value", id="long channel"),
        pytest.param(lambda p: p.payment(5000, paid_at="noon"), 422, "invalid_value", id="no time"),
        pytest.param(
            lambda p: p.payment(5000, paid_at="0001-01-01T00:00:00+14:00"),
            422,
            "invalid_value",
            id="before the first day",
        ),
        pytest.param(
            lambda p: p.payment(5000, paid_at="9999-12-31T23:59:59-14:00"),
            422,
            "invalid_value",
            id="after the last day",
        ),
        pytest.param(
            lambda p: p.payment(5000, paid_at="1999-12-31T23:59:59Z"),
            422,
            "invalid_value",
            id="before any channel",
        ),
        pytest.param(
            lambda p: p.payment(5000, paid_at=(p.clock.now() + timedelta(minutes=11)).isoformat()),
            422,
            "invalid_value",
            id="the day after tomorrow",
        ),
    ],
)
def test_a_forged_or_senseless_payment_changes_nothing_and_is_remembered(
    platform: Platform, sign: Sign, status: int, code: str
) -> None:
    order_id = unpaid(platform)

    answer = pay(platform, order_id, sign(platform))

    assert problem(answer) == (status, code)
    assert platform.topup_state(order_id) == "created"
    assert platform.rows("SELECT id FROM payment") == []
    assert evidence_of(platform, order_id) == [code]


@pytest.mark.parametrize("order_id", ["top_unknown", "other"])
def test_a_payment_for_no_order_of_the_callers_leaves_no_trace(platform: Platform, order_id: str) -> None:
    if order_id == "other":
        order_id = str(platform.order_topup(CARD, payment=None, by="rival")["order_id"])

    answer = pay(platform, order_id, platform.payment(5000))

    assert problem(answer) == (404, "not_found")
    assert platform.rows("SELECT id FROM payment") == []
    assert platform.rows("SELECT id FROM evidence") == []


def test_of_many_orders_that_take_one_trade_at_once_one_gets_it(any_platform: Platform) -> None:
    order_ids = [unpaid(any_platform) for _ in range(8)]
    payment = any_platform.payment(5000, "raced")
    together = threading.Barrier(len(order_ids))

    def take(order_id: str) -> int:
        together.wait()
        return pay(any_platform, order_id, payment).status_code

    assert any_platform.app is not None  # built before the threads share it
    with ThreadPoolExecutor(len(order_ids)) as pool:
        statuses = sorted(pool.map(take, order_ids))

    assert statuses == [200] + [409] * 7
    assert balances(any_platform) == PAID
    assert checked(any_platform).differences == []


def test_of_many_trades_for_one_order_at_once_one_pays_and_the_others_go_back(any_platform: Platform) -> None:
    order_id = unpaid(any_platform)
    notices = [any_platform.payment(5000, f"raced-{number}") for number in range(6)]
    together = threading.Barrier(len(notices))

    def take(payment: str) -> int:
        together.wait()
        return pay(any_platform, order_id, payment).status_code

    assert any_platform.app is not None  # built before the threads share it
    with ThreadPoolExecutor(len(notices)) as pool:
        statuses = sorted(pool.map(take, notices))

    report = checked(any_platform)
    assert statuses == [200] + [409] * 5
    assert (report.suspense_fen, report.refund_payable_fen, report.differences) == (5000, 25000, [])


FEE = {"cities/guangzhou.toml": [("issuance_fen = 0", "issuance_fen = 2000")]}


def test_a_fee_is_earned_when_the_card_is_active(make_platform: MakePlatform) -> None:
    platform = make_platform(FEE)
    element = blank()

    platform.issue(element, payment=platform.payment(2000))

    report = checked(platform)
    assert balances(platform) == {"channel:alipay": 2000, "fee:5810": -2000}
    assert (report.fees_fen, report.differences) == (2000, [])


def test_fee_and_first_load_of_a_card_that_was_called_off_go_back(make_platform: MakePlatform) -> None:
    platform = make_platform(FEE)
    first_load = {"amount_fen": 5000, "payment": platform.payment(5000)}
    order = platform.order_card(blank(), payment=platform.payment(2000), first_load=first_load)

    platform.post(f"/v1/issuances/{order['order_id']}/cancel")

    report = checked(platform)
    assert platform.topup_state(order["first_load_id"]) == "refunding"
    assert (report.refund_payable_fen, report.suspense_fen, report.differences) == (7000, 0, [])


@pytest.mark.parametrize("payment", [2001, None])
def test_a_card_whose_fee_does_not_fit_is_refused_as_a_whole(
    make_platform: MakePlatform, payment: int | None
) -> None:
    platform = make_platform(FEE)
    body: dict[str, Any] = {"city": "guangzhou", "se_id": "SE-1"}
    if payment is not None:
        body["payment"] = platform.payment(payment)

    answer = platform.post("/v1/issuances", body)

    assert answer.status_code == 422
    assert "payment_id" not in (answer.json or {})["details"]
    assert platform.rows("SELECT id FROM payment") == []
    assert platform.rows("SELECT id FROM issuance_order") == []
