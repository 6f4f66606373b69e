"""What a wallet's server asks for."""

from __future__ import annotations

import json
from typing import Any

import jwt

from ota.sandbox import credentials
from ota.sandbox.api import Api
from ota.sandbox.caller import Caller
from ota.sandbox.wallet import WalletServer
from tests.sandbox.connections import ScriptedConnection

TOKEN = (200, {"access_token": "t", "expires_in": 900})


def asked(call: str, *arguments: Any) -> tuple[str, str, dict[str, Any], str | None]:
    """Method, path, body and key of the request that a call makes."""
    connection = ScriptedConnection(TOKEN, (200, {"orders": [], "products": []}))
    wallet = WalletServer(Caller(Api(connection), credentials.wallet()), lambda: "key-1")
    getattr(wallet, call)(*arguments)
    method, path, headers, body = connection.requests[1]
    return method, path, json.loads(body or b"{}"), headers.get("Idempotency-Key")


def paid(payment: str) -> int:
    amount = jwt.decode(payment, options={"verify_signature": False})["amount_fen"]
    return int(amount)


def test_a_free_card_is_ordered_without_a_payment() -> None:
    assert asked("order_card", "foshan", "SE-1") == (
        "POST",
        "/v1/issuances",
        {"city": "foshan", "se_id": "SE-1"},
        "key-1",
    )


def test_fee_and_first_load_are_paid_apart() -> None:
    _, _, body, _ = asked("order_card", "foshan", "SE-1", 3000, 990)

    assert paid(body["payment"]) == 990
    assert body["first_load"]["amount_fen"] == paid(body["first_load"]["payment"]) == 3000


def test_a_top_up_carries_its_payment_and_its_opening() -> None:
    method, path, body, key = asked("order_topup", "3104870700000123456", 500, {"caps": {}})

    assert (method, path, key) == ("POST", "/v1/topups", "key-1")
    assert (body["card_no"], paid(body["payment"]), body["session"]) == (
        "3104870700000123456",
        500,
        {"caps": {}},
    )


def test_a_top_up_may_be_ordered_without_a_card_at_hand() -> None:
    assert "session" not in asked("order_topup", "3104870700000123456", 500)[2]


def test_everything_else_is_asked_by_its_path() -> None:
    paths = [
        asked("products")[:2],
        asked("eligibility", "foshan", "SE-1")[:2],
        asked("open_session", "top_1", {})[:2],
        asked("unfinished_cards", "SE/1")[:2],
        asked("unfinished_topups", "31")[:2],
        asked("order", "iss_1")[:2],
        asked("order", "top_1")[:2],
        asked("card", "31")[:2],
    ]

    assert paths == [
        ("GET", "/v1/products"),
        ("POST", "/v1/eligibility"),
        ("POST", "/v1/sessions"),
        ("GET", "/v1/issuances?se_id=SE%2F1"),
        ("GET", "/v1/topups?card_no=31"),
        ("GET", "/v1/issuances/iss_1"),
        ("GET", "/v1/topups/top_1"),
        ("GET", "/v1/cards/31"),
    ]
