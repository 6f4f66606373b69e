"""Which of the things that happen to its orders and cards a wallet is told."""

from __future__ import annotations

from typing import Any

from ota.sandbox.element.faults import CREDIT, Instant
from tests.elements import balance, blank
from tests.events.wallets import Post
from tests.platform import Platform, number
from tests.topup.elsewhere import load_elsewhere

CARD = number(904).digits


def told(platform: Platform, by: str = "wallet") -> list[dict[str, Any]]:
    """The wallet's feed, after the jobs have run."""
    Post(platform).run()
    answer = platform.get("/v1/events", by=by).json or {}
    return list(answer["events"])


def kinds(platform: Platform) -> list[str]:
    return [event["kind"] for event in told(platform)]


def test_a_card_and_its_money_are_told_when_they_are_there(any_platform: Platform) -> None:
    element = blank()
    card_no = any_platform.issue(element)
    loaded = any_platform.top_up(card_no, element)["outcome"]

    issued, topup = told(any_platform)

    assert issued["kind"] == "issuance.active"
    assert topup["kind"] == "topup.loaded"
    assert topup["data"] == {
        "order_id": loaded["order_id"],
        "state": "loaded",
        "why": "load_proven",
        "amount_fen": 5000,
    }
    assert (issued["card_position"], topup["card_position"]) == (1, 2)
    assert card_no not in str([issued, topup])


def test_an_order_that_is_called_off_or_goes_back_is_told(platform: Platform) -> None:
    unpaid = platform.order_topup(CARD, 100, payment=None)["order_id"]
    platform.post(f"/v1/topups/{unpaid}/cancel")
    platform.post(f"/v1/topups/{unpaid}/payment", {"payment": platform.payment(100)})
    platform.post(f"/v1/topups/{unpaid}/refund")

    assert kinds(platform) == ["topup.closed", "topup.paid", "topup.refunding"]


def test_a_doubt_and_its_end_are_told(platform: Platform) -> None:
    element = blank()
    card_no = platform.issue(element)
    order = platform.order_topup(card_no)
    element.faults.cut_inside(CREDIT, Instant.BEFORE_WRITE)
    platform.open(order["order_id"], element).finish()

    again = platform.open(order["order_id"], element).finish()

    assert again["outcome"]["state"] == "loaded"
    assert balance(element) == 5000
    assert kinds(platform) == ["issuance.active", "topup.uncertain", "topup.paid", "topup.loaded"]


def test_a_frozen_card_is_told_with_its_element(platform: Platform) -> None:
    element = blank()
    card_no = platform.issue(element)
    load_elsewhere(platform, element, card_no)
    load_elsewhere(platform, element, card_no)
    order = platform.order_topup(card_no)
    platform.open(order["order_id"], element).finish()

    frozen = [event for event in told(platform) if event["kind"] == "card.frozen"]

    assert [event["data"] for event in frozen] == [
        {"state": "frozen", "reason": "counter_jumped", "se_id": element.se_id}
    ]
