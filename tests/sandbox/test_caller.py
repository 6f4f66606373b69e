"""A caller's tokens and payments."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import jwt
import pytest

from ota.sandbox import credentials
from ota.sandbox.api import Api
from ota.sandbox.caller import AUDIENCE, Caller, read_credentials
from tests.sandbox.connections import ScriptedConnection


def token(value: str, expires_in: int = 900) -> tuple[int, dict[str, Any]]:
    return 200, {"access_token": value, "expires_in": expires_in}


def caller(connection: ScriptedConnection) -> Caller:
    return Caller(Api(connection), credentials.wallet())


def claims_of(signed: str, kind: str) -> dict[str, Any]:
    proof = credentials.wallet()
    public = {name: value for name, value in proof.private_jwk.items() if name != "d"}
    assert jwt.get_unverified_header(signed) == {"alg": "ES256", "kid": proof.kid, "typ": kind}
    decoded: dict[str, Any] = jwt.decode(
        signed, jwt.PyJWK.from_dict(public, algorithm="ES256"), algorithms=["ES256"], audience=AUDIENCE
    )
    return decoded


def test_a_token_is_asked_for_once_with_a_signed_assertion() -> None:
    connection = ScriptedConnection(token("t1"))
    wallet = caller(connection)

    tokens = [wallet.token, wallet.token]

    form = parse_qs((connection.requests[0][3] or b"").decode())
    claims = claims_of(form["client_assertion"][0], "JWT")
    assert tokens == ["t1", "t1"]
    assert form["grant_type"] == ["client_credentials"]
    assert (claims["iss"], claims["sub"]) == ("sandbox-wallet", "sandbox-wallet")
    assert claims["exp"] - claims["iat"] <= 300


def test_a_token_that_is_about_to_end_is_renewed_by_a_new_assertion() -> None:
    connection = ScriptedConnection(token("t1", expires_in=30), token("t2"))
    wallet = caller(connection)

    tokens = [wallet.token, wallet.token]

    assert tokens == ["t1", "t2"]
    assert connection.requests[0][3] != connection.requests[1][3]


def test_requests_carry_the_token() -> None:
    connection = ScriptedConnection(token("t1"), (200, {"a": 1}), (201, {"b": 2}))
    wallet = caller(connection)

    answers = [wallet.get("/v1/products"), wallet.post("/v1/topups", {}, "key")]

    assert answers == [{"a": 1}, {"b": 2}]
    assert {request[2]["Authorization"] for request in connection.requests[1:]} == {"Bearer t1"}


def test_a_payment_is_a_signed_fact_of_its_own_trade() -> None:
    wallet = caller(ScriptedConnection())

    first, second = (claims_of(wallet.payment(5000), "payment+jwt") for _ in range(2))

    assert (first["amount_fen"], first["currency"], first["iss"]) == (5000, "CNY", "sandbox-wallet")
    assert first["trade_no"] != second["trade_no"]
    assert datetime.fromisoformat(first["paid_at"]).tzinfo is not None


@pytest.mark.parametrize("wrapped", [True, False])
def test_a_key_of_ones_own_is_read_from_a_file(tmp_path: Path, wrapped: bool) -> None:
    jwk = dict(credentials.wallet().private_jwk)
    file = tmp_path / "key.json"
    file.write_text(json.dumps({"jwk": jwk} if wrapped else jwk), encoding="utf-8")

    proof = read_credentials("my-wallet", file)

    assert (proof.caller_id, proof.kid) == ("my-wallet", jwk["kid"])


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"jwk": 1}', '{"jwk": {"kty": "EC"}}'])
def test_a_file_without_a_key_is_named(tmp_path: Path, content: str) -> None:
    file = tmp_path / "key.json"
    file.write_text(content, encoding="utf-8")

    with pytest.raises(ValueError, match=r"key\.json: expected a private JWK"):
        read_credentials("my-wallet", file)
