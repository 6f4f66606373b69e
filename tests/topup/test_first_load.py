"""A card with money on it from the start: issued and loaded in one session, or the money stays safe."""

from __future__ import annotations

from typing import Any

import pytest

from ota.sandbox.element.card_os import Element
from ota.sandbox.element.faults import CREDIT, Instant
from tests.elements import balance, blank, collected, counter, instances
from tests.phone import forging
from tests.platform import IN_STOCK, Platform, problem
from tests.terminal.reader import Reader

AMOUNT = 5000


def order(platform: Platform, element: Element, amount: int = AMOUNT, **payment: Any) -> Any:
    wanted = {"amount_fen": amount, "payment": platform.payment(amount, **payment)}
    body = {"city": "guangzhou", "se_id": element.se_id, "first_load": wanted}
    return platform.post("/v1/issuances", body)


@pytest.mark.parametrize(("i", "exchanges"), [(0x70, 3), (0x60, 4)])
def test_a_card_is_issued_and_loaded_in_one_session(any_platform: Platform, i: int, exchanges: int) -> None:
    element = blank("03", i)
    made = order(any_platform, element).json
    talk = any_platform.open(made["order_id"], element, precollected=collected(element))

    ending = talk.finish()

    assert ending["outcome"]["state"] == "loaded"
    assert ending["outcome"]["order_id"] == made["first_load_id"]
    assert 1 + len(talk.reports) == exchanges
    assert any_platform.issuance_state(made["order_id"]) == "active"
    assert (balance(element), counter(element)) == (AMOUNT, 1)


def test_the_next_load_goes_on_from_the_first(platform: Platform) -> None:
    element = blank()
    made = order(platform, element).json
    platform.open(made["order_id"], element).finish()

    ending = platform.top_up(made["card_no"], element)

    assert ending["outcome"]["state"] == "loaded"
    assert balance(element) == 2 * AMOUNT


@pytest.mark.parametrize("instant", Instant)
def test_a_first_load_torn_in_the_credit_is_settled_by_its_own_order(
    any_platform: Platform, instant: Instant
) -> None:
    element = blank()
    made = order(any_platform, element).json
    element.faults.cut_inside(CREDIT, instant)
    lost = any_platform.open(made["order_id"], element).finish()

    ending = any_platform.open(made["first_load_id"], element).finish()

    assert (lost["state"], any_platform.issuance_state(made["order_id"])) == ("uncertain", "active")
    assert ending["outcome"]["state"] == "loaded"
    assert (balance(element), counter(element)) == (AMOUNT, 1)


def test_a_card_whose_build_report_was_lost_is_found_and_its_first_load_waits(any_platform: Platform) -> None:
    element = blank()
    made = order(any_platform, element).json
    talk = any_platform.open(made["order_id"], element)
    talk.step()
    talk.run()

    any_platform.open(made["order_id"], element).finish()
    between = any_platform.issuance_state(made["order_id"]), any_platform.topup_state(made["first_load_id"])
    any_platform.open(made["first_load_id"], element).finish()

    assert between in (("active", "paid"), ("active", "loaded"))
    assert any_platform.topup_state(made["first_load_id"]) == "loaded"
    assert balance(element) == AMOUNT


@pytest.mark.parametrize(
    ("forged", "code"),
    [
        (bytes(16) + b"\x90\x00", "mac1_wrong"),
        (b"\x90\x00", "malformed_answer"),
        (b"\x94\x03", "key_index_unknown"),
    ],
)
def test_a_card_that_cannot_prove_its_key_gets_neither_life_nor_money(
    platform: Platform, forged: bytes, code: str
) -> None:
    element = blank()
    made = order(platform, element).json

    ending = platform.open(made["order_id"], element, reply=forging(element, "805000020B", forged)).finish()

    assert ending["problem"]["code"] in (code, "card_key_unknown")
    assert platform.issuance_state(made["order_id"]) == "abandoned"
    assert instances(element) == []
    assert platform.rows("SELECT count(*) FROM load_attempt") == [(0,)]
    assert platform.topup_state(made["first_load_id"]) != "loaded"


@pytest.mark.parametrize(
    ("amount", "payment", "code"),
    [
        (99, {}, "amount_outside_limits"),
        (100_001, {}, "amount_outside_limits"),
        (AMOUNT, {"amount_fen": AMOUNT - 1}, "payment_differs"),
        (AMOUNT, {"currency": "USD"}, "payment_differs"),
        (AMOUNT, {"iss": "rival"}, "signature_wrong"),
    ],
)
def test_without_its_money_there_is_no_order_at_all(
    any_platform: Platform, amount: int, payment: dict[str, Any], code: str
) -> None:
    answer = order(any_platform, blank(), amount, **payment)

    assert problem(answer)[1] == code
    stock = any_platform.rows("SELECT state, count(*) FROM card_number WHERE city = '5810' GROUP BY state")
    assert stock == [("free", IN_STOCK)]
    assert any_platform.rows("SELECT count(*) FROM topup_order") == [(0,)]
    assert any_platform.rows("SELECT count(*) FROM payment") == [(0,)]


def test_a_trade_that_paid_before_pays_no_first_load(platform: Platform) -> None:
    order(platform, blank(), trade="trade-1")

    answer = order(platform, blank(seed="another"), trade="trade-1")

    assert problem(answer) == (409, "payment_used")
    assert platform.rows("SELECT count(*) FROM issuance_order") == [(1,)]


def test_a_first_load_is_not_put_on_a_card_that_is_not_there(platform: Platform) -> None:
    element = blank()
    made = order(platform, element).json

    answer = platform.try_open(made["first_load_id"], element)

    if answer.status_code == 201:
        ending = platform.conversation(answer.json or {}, element).finish()
        assert ending["problem"]["code"] == "application_absent"
    assert platform.topup_state(made["first_load_id"]) == "paid"
    assert platform.open(made["order_id"], element).finish()["outcome"]["state"] == "loaded"


def test_nobody_else_loads_a_card_that_is_still_being_issued(any_platform: Platform) -> None:
    element = blank()
    made = order(any_platform, element).json
    half_built = any_platform.open(made["order_id"], element)
    half_built.run()

    by_phone = any_platform.try_open(made["first_load_id"], element)
    at_terminal = Reader(any_platform, element).resume(made["card_no"])

    assert problem(by_phone)[1] == problem(at_terminal)[1] == "card_not_issued"
    assert any_platform.rows("SELECT count(*) FROM load_challenge WHERE asked_by IS NOT NULL") == [(0,)]
    any_platform.open(made["order_id"], element).finish()
    any_platform.open(made["first_load_id"], element).finish()
    assert (balance(element), counter(element)) == (AMOUNT, 1)


def test_a_card_is_made_although_its_first_load_was_given_back(any_platform: Platform) -> None:
    element = blank()
    made = order(any_platform, element).json
    any_platform.post(f"/v1/topups/{made['first_load_id']}/refund")

    ending = any_platform.open(made["order_id"], element).finish()

    assert ending["outcome"]["state"] == "active"
    assert any_platform.topup_state(made["first_load_id"]) == "refunding"
    assert (balance(element), counter(element)) == (0, 0)
    assert any_platform.rows("SELECT count(*) FROM load_challenge") == [(0,)]


def test_a_first_load_given_back_while_the_phone_builds_is_not_loaded(any_platform: Platform) -> None:
    element = blank()
    made = order(any_platform, element).json
    talk = any_platform.open(made["order_id"], element)
    talk.step()

    any_platform.post(f"/v1/topups/{made['first_load_id']}/refund")
    ending = talk.finish()

    assert ending["problem"]["code"] == "topup_not_loadable"
    assert any_platform.issuance_state(made["order_id"]) == "active"
    assert any_platform.topup_state(made["first_load_id"]) == "refunding"
    assert (balance(element), counter(element)) == (0, 0)
