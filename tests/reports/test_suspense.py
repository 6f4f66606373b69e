"""What waits has an age, a reason and an owner."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ota.reports import suspense
from ota.reports.suspense import Item
from ota.topup.refund_port import RefundAnswer
from tests.books import checked
from tests.elements import blank
from tests.platform import MakePlatform, Platform
from tests.reports.lives import CARD, Lives

FEE = {"cities/guangzhou.toml": [("issuance_fen = 0", "issuance_fen = 2000")]}


def items(platform: Platform) -> list[Item]:
    with platform.built.store.read() as tx:
        return suspense.all_items(tx)


def test_everything_that_waits_is_listed_with_its_reason_and_owner(any_platform: Platform) -> None:
    lives = Lives(any_platform).live()

    found = {(item.order_id, item.account, item.reason, item.owner) for item in items(any_platform)}

    wanted = {
        ("paid", "suspense", "waits_for_its_card", "wallet"),
        ("refused", "suspense", "waits_for_its_card", "wallet"),
        ("surplus", "suspense", "waits_for_its_card", "wallet"),
        ("surplus", "refund_payable", "refund_requested", "service_desk"),
        ("refunding", "refund_payable", "refund_requested", "service_desk"),
        ("dead", "suspense", "waits_for_its_card", "wallet"),
        ("uncertain", "suspense", "load_uncertain", "next_contact"),
    }
    assert found == {(lives.orders[name], *rest) for name, *rest in wanted}


def test_the_list_adds_up_to_the_books(any_platform: Platform) -> None:
    Lives(any_platform).live()

    report = checked(any_platform)
    listed = items(any_platform)

    assert sum(item.amount_fen for item in listed if item.account == "suspense") == report.suspense_fen
    assert sum(item.amount_fen for item in listed if item.account != "suspense") == report.refund_payable_fen


def test_the_oldest_comes_first_and_has_an_age(platform: Platform) -> None:
    platform.order_topup(CARD, 100)
    platform.clock.advance(hours=2)
    platform.order_topup(CARD, 200)

    found = items(platform)

    ages = [item.age(platform.clock.now()) for item in found]
    assert [item.amount_fen for item in found] == [100, 200]
    assert ages == [timedelta(hours=2), timedelta(0)]


def test_surplus_money_that_the_wallet_refused_waits_for_a_person(platform: Platform) -> None:
    lives = Lives(platform)
    lives.orders["order"] = str(platform.order_topup(CARD, payment=None)["order_id"])
    platform.post(f"/v1/topups/{lives.orders['order']}/payment", {"payment": platform.payment(1)})
    lives.send("order", RefundAnswer.SILENT)
    on_its_way = [(item.reason, item.owner) for item in items(platform)]
    platform.change("UPDATE refund SET state = 'sent'")  # as if it were on the wire again

    platform.change("UPDATE refund SET state = 'failed'")

    assert on_its_way == [("refund_unknown", "wallet")]
    assert [(item.account, item.reason, item.owner) for item in items(platform)] == [
        ("suspense", "refund_refused", "service_desk")
    ]


def test_surplus_money_that_nothing_sends_back_is_shown(platform: Platform) -> None:
    order_id = platform.order_topup(CARD, payment=None)["order_id"]
    platform.post(f"/v1/topups/{order_id}/payment", {"payment": platform.payment(1)})

    platform.change("DELETE FROM refund")

    assert [(item.reason, item.owner) for item in items(platform)] == [("surplus_amount_differs", "platform")]


def test_a_fee_waits_for_its_card(make_platform: MakePlatform) -> None:
    platform = make_platform(FEE)
    element = blank()
    order = platform.order_card(element, payment=platform.payment(2000))
    before = [(item.reason, item.amount_fen) for item in items(platform)]

    platform.open(order["order_id"], element).finish()

    assert before == [("card_not_issued_yet", 2000)]
    assert items(platform) == []


def test_a_fee_whose_order_is_gone_waits_for_the_platform(make_platform: MakePlatform) -> None:
    platform = make_platform(FEE)
    platform.order_card(blank(), payment=platform.payment(2000))

    platform.change("DELETE FROM issuance_order")

    assert [(item.account, item.reason, item.owner) for item in items(platform)] == [
        ("suspense", "order_missing", "platform")
    ]
    assert sum(item.amount_fen for item in items(platform)) == checked(platform).suspense_fen == 2000


@pytest.mark.parametrize(
    "change",
    ["DELETE FROM topup_order", "UPDATE topup_order SET state = 'closed'"],
)
def test_a_payment_without_a_paid_order_waits_for_the_platform(platform: Platform, change: str) -> None:
    platform.order_topup(CARD, 777)

    platform.change(change)

    assert [(item.amount_fen, item.reason, item.owner) for item in items(platform)] == [
        (777, "order_missing", "platform")
    ]


def test_totals_are_by_city_and_reason(platform: Platform) -> None:
    platform.order_topup(CARD, 100)
    platform.clock.advance(minutes=1)
    platform.order_topup(CARD, 200)

    summed = suspense.totals(items(platform), platform.clock.now())

    assert summed == {("5810", "waits_for_its_card"): (300, 60.0)}
