"""Orders of money for a card: paid at once, later, wrongly, twice; for whose card, and how much."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import pytest

from ota.core.principal import CallerKind, Principal
from ota.core.values import CardNumber, Fen
from ota.topup import orders
from ota.topup.service import NewTopup, Topups
from ota.topup.states import TopupEvent, TopupState
from tests.elements import balance, blank, described
from tests.platform import MakePlatform, Platform, number, problem

AMOUNT = 5000


def order(platform: Platform, card_no: str, amount: int = AMOUNT, **more: Any) -> Any:
    keys = {name: more.pop(name) for name in ("by", "key") if name in more}
    body = {"card_no": card_no, "amount_fen": amount} | more
    return platform.post("/v1/topups", body, **keys)


def pay(platform: Platform, order_id: str, payment: str, by: str = "wallet") -> Any:
    return platform.post(f"/v1/topups/{order_id}/payment", {"payment": payment}, by=by)


CARD = number(900).digits
"""A card that the platform has never seen: nobody's, so everybody may order for it."""


def test_a_paid_order_with_its_element_gets_session_and_first_batch_at_once(platform: Platform) -> None:
    element = blank()
    card_no = platform.issue(element)

    answer = order(
        platform, card_no, payment=platform.payment(AMOUNT), session={"se": described(element), "caps": {}}
    )
    talk = platform.conversation(answer.json["session"], element)
    ending = talk.finish()

    assert answer.status_code == 201
    assert ending["outcome"] == {
        "order_id": answer.json["order_id"],
        "state": "loaded",
        "money": "on_card",
        "card_no": card_no,
        "amount_fen": AMOUNT,
    }
    assert len(talk.reports) == 2
    assert balance(element) == AMOUNT


def test_an_order_found_by_its_key_is_paid_as_it_is_once_it_is_locked(any_platform: Platform) -> None:
    platform = any_platform
    order_id = order(platform, CARD, key="one-key").json["order_id"]
    topups = platform.app.extensions["ota"][Topups]
    wallet = Principal(CallerKind.WALLET, "wallet")
    wanted = NewTopup(CardNumber(CARD), Fen(AMOUNT), platform.payment(AMOUNT))

    with ThreadPoolExecutor(1) as pool:
        with platform.built.store.begin() as tx:
            orders.lock(tx, order_id).step(tx, TopupEvent.CANCELLED, platform.clock.now())
            paying = pool.submit(topups.order, wallet, "one-key", wanted)
            wait([paying], timeout=0.5)
        paid = paying.result(timeout=20)

    steps = platform.rows("SELECT before, after FROM state_history WHERE kind = 'topup' ORDER BY id")
    assert paid.state is TopupState.PAID
    assert [tuple(row) for row in steps] == [(None, "created"), ("created", "closed"), ("closed", "paid")]


def test_an_unpaid_order_waits_for_its_payment(any_platform: Platform) -> None:
    made = order(any_platform, CARD, session={"caps": {}}).json

    assert (made["state"], made["money"], made["next_step"], made["session"]) == (
        "created",
        "not_paid",
        "pay",
        None,
    )
    assert problem(any_platform.try_open(made["order_id"])) == (409, "topup_not_loadable")
    paid = pay(any_platform, made["order_id"], any_platform.payment(AMOUNT))
    assert (paid.json["state"], paid.json["money"], paid.json["next_step"]) == (
        "paid",
        "with_platform",
        "open_session",
    )


def test_the_same_payment_again_changes_nothing(any_platform: Platform) -> None:
    order_id = order(any_platform, CARD).json["order_id"]
    payment = any_platform.payment(AMOUNT)

    answers = [pay(any_platform, order_id, payment) for _ in range(3)]

    assert [answer.json["state"] for answer in answers] == ["paid"] * 3
    assert any_platform.rows("SELECT count(*) FROM payment") == [(1,)]


def test_a_payment_after_the_order_was_closed_brings_it_back(any_platform: Platform) -> None:
    order_id = order(any_platform, CARD).json["order_id"]
    closed = any_platform.post(f"/v1/topups/{order_id}/cancel")
    again = any_platform.post(f"/v1/topups/{order_id}/cancel")

    paid = pay(any_platform, order_id, any_platform.payment(AMOUNT))

    assert ((closed.json or {})["state"], (again.json or {})["state"]) == ("closed", "closed")
    assert (paid.json or {})["state"] == "paid"


def test_an_order_with_money_is_not_called_off(platform: Platform) -> None:
    order_id = platform.order_topup(CARD)["order_id"]

    assert problem(platform.post(f"/v1/topups/{order_id}/cancel")) == (409, "not_in_this_state")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"amount_fen": AMOUNT - 1}, "payment_differs"),
        ({"amount_fen": AMOUNT + 1}, "payment_differs"),
        ({"currency": "USD"}, "payment_differs"),
        ({"currency": "cny"}, "payment_differs"),
        ({"amount_fen": -AMOUNT}, "invalid_value"),
        ({"amount_fen": float(AMOUNT)}, "invalid_value"),
        ({"amount_fen": str(AMOUNT)}, "invalid_value"),
        ({"amount_fen": True}, "invalid_value"),
        ({"amount_fen": 2**31}, "invalid_value"),
        ({"amount_fen": None}, "invalid_value"),
        ({"trade_no": ""}, "invalid_value"),
        ({"trade_no": "t" * 65}, "invalid_value"),
        ({"trade_no": "a\x00b"}, "invalid_value"),
        ({"trade_no": 7}, "invalid_value"),
        ({"channel": None}, "invalid_value"),
        ({"paid_at": "yesterday"}, "invalid_value"),
        ({"paid_at": "2026-11-23T08:00:00"}, "invalid_value"),
        ({"paid_at": 1764000000}, "invalid_value"),
        ({"paid_at": "0001-01-01T00:00:00+08:00"}, "invalid_value"),
        ({"paid_at": "9999-12-31T23:59:59-08:00"}, "invalid_value"),
    ],
    ids=str,
)
def test_a_payment_that_is_not_the_orders_does_not_pay_it(
    any_platform: Platform, changes: dict[str, Any], code: str
) -> None:
    order_id = order(any_platform, CARD).json["order_id"]

    answer = pay(any_platform, order_id, any_platform.payment(AMOUNT, **changes))

    assert problem(answer)[1] == code
    assert problem(answer)[0] in (400, 409, 422)
    assert any_platform.topup_state(order_id) == "created"


def test_one_trade_pays_one_order(any_platform: Platform) -> None:
    payment = any_platform.payment(AMOUNT, "trade-1")
    first = order(any_platform, CARD, payment=payment).json["order_id"]
    second = order(any_platform, CARD).json["order_id"]

    answers = [pay(any_platform, second, payment), order(any_platform, CARD, payment=payment)]

    assert [problem(answer) for answer in answers] == [(409, "payment_used")] * 2
    assert (any_platform.topup_state(first), any_platform.topup_state(second)) == ("paid", "created")


def test_an_order_takes_one_trade(platform: Platform) -> None:
    order_id = platform.order_topup(CARD)["order_id"]

    answer = pay(platform, order_id, platform.payment(AMOUNT, "another"))

    assert problem(answer) == (409, "paid_already")
    assert platform.topup_state(order_id) == "paid"


def test_another_wallets_order_and_its_payment_do_not_exist(platform: Platform) -> None:
    order_id = order(platform, CARD).json["order_id"]
    path = f"/v1/topups/{order_id}"

    answers = (
        platform.get(path, by="rival"),
        platform.post(f"{path}/cancel", by="rival"),
        pay(platform, order_id, platform.payment(AMOUNT, by="rival"), by="rival"),
    )

    assert [problem(answer) for answer in answers] == [(404, "not_found")] * 3
    assert platform.topup_state(order_id) == "created"


def test_a_payment_by_another_wallets_key_is_no_payment(platform: Platform) -> None:
    order_id = order(platform, CARD).json["order_id"]

    answer = pay(platform, order_id, platform.payment(AMOUNT, by="rival"))

    assert problem(answer) == (422, "signature_wrong")
    assert platform.topup_state(order_id) == "created"


def test_another_wallets_card_is_not_topped_up(platform: Platform) -> None:
    card_no = platform.issue(blank())

    answer = order(platform, card_no, by="rival", payment=platform.payment(AMOUNT, by="rival"))

    assert problem(answer) == (404, "not_found")
    assert platform.rows("SELECT count(*) FROM topup_order") == [(0,)]


@pytest.mark.parametrize(
    ("card_no", "amount", "expected"),
    [
        (CARD, 99, (422, "amount_outside_limits")),
        (CARD, 100_001, (422, "amount_outside_limits")),
        (CARD, 0, (400, "invalid_fields")),
        (CARD, -1, (400, "invalid_fields")),
        (CARD, 2**31, (400, "invalid_fields")),
        ("3105990000000000001", AMOUNT, (422, "card_outside_province")),
        ("0000000000000000000", AMOUNT, (422, "card_outside_province")),
        ("310487030000000000", AMOUNT, (400, "invalid_fields")),
        ("31048703000000000٠١", AMOUNT, (400, "invalid_fields")),
    ],
)
def test_an_order_outside_the_rules_promises_nothing(
    platform: Platform, card_no: str, amount: int, expected: tuple[int, str]
) -> None:
    answer = order(platform, card_no, amount)

    assert problem(answer) == expected
    assert platform.rows("SELECT count(*) FROM topup_order") == [(0,)]


@pytest.mark.parametrize("state", ["free", "held", "retired"])
def test_a_number_that_no_active_card_bears_takes_no_order(platform: Platform, state: str) -> None:
    card_no = number(0).digits
    platform.change(
        "UPDATE card_number SET state = :state WHERE card_no = :number", state=state, number=card_no
    )

    assert problem(order(platform, card_no)) == (422, "card_not_issued")


def test_a_city_that_is_not_open_takes_no_order(make_platform: MakePlatform) -> None:
    platform = make_platform({"cities/foshan.toml": [("live = true", "live = false")]})

    answer = order(platform, number(1, "foshan").digits)

    assert problem(answer) == (422, "city_not_live")


@pytest.mark.parametrize("state", ["frozen", "suspended", "moving", "closing", "closed"])
def test_a_card_out_of_service_takes_no_order(platform: Platform, state: str) -> None:
    card_no = platform.issue(blank())
    waiting = platform.order_topup(card_no)["order_id"]
    platform.change("UPDATE card SET state = :state", state=state)

    assert problem(order(platform, card_no)) == (409, f"card_{state}")
    assert problem(platform.try_open(waiting)) == (409, f"card_{state}")
    assert platform.topup_state(waiting) == "paid"


def test_the_same_order_again_is_the_same_answer_and_another_under_its_key_is_refused(
    any_platform: Platform,
) -> None:
    payment = any_platform.payment(AMOUNT)
    first = order(any_platform, CARD, key="k", payment=payment)

    again = order(any_platform, CARD, key="k", payment=payment)
    other = order(any_platform, CARD, AMOUNT + 1, key="k", payment=payment)

    assert again.data == first.data
    assert problem(other) == (422, "idempotency_key_reused")
    assert any_platform.rows("SELECT count(*) FROM topup_order") == [(1,)]


def test_a_key_whose_session_was_refused_does_not_serve_another_order(platform: Platform) -> None:
    card_no = platform.issue(blank())
    made = order(platform, card_no, key="k")
    platform.change("DELETE FROM idempotency WHERE key = 'k'")  # as a refused session would have left it

    dearer = order(platform, card_no, AMOUNT + 1, key="k")
    for_another_card = order(platform, CARD, key="k")
    same = order(platform, card_no, key="k")

    assert [problem(answer) for answer in (dearer, for_another_card)] == [(422, "idempotency_key_reused")] * 2
    assert same.json["order_id"] == made.json["order_id"]


def test_waiting_orders_of_a_card_are_listed_to_their_wallet_oldest_first(any_platform: Platform) -> None:
    element = blank()
    card_no = any_platform.issue(element)
    first = any_platform.order_topup(card_no)["order_id"]
    any_platform.clock.advance(seconds=1)
    second = any_platform.order_topup(card_no)["order_id"]
    order(any_platform, card_no)
    path = f"/v1/topups?card_no={card_no}"

    listed = any_platform.get(path).json or {}
    any_platform.open(first, element).finish()
    after = any_platform.get(path).json or {}

    assert [each["order_id"] for each in listed["orders"]] == [first, second]
    assert [each["order_id"] for each in after["orders"]] == [second]
    assert any_platform.get(path, by="rival").json == {"orders": []}


@pytest.mark.parametrize("query", ["", "?card_no=", "?card_no=310487", "?card_no=%00", "?card=1"])
def test_a_list_of_orders_needs_a_card_number(platform: Platform, query: str) -> None:
    assert platform.get(f"/v1/topups{query}").status_code in (400, 422)
