"""Receipts are believed only by signature."""

from __future__ import annotations

from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from ota.sandbox.api import Api
from ota.sandbox.receipts import ReceiptWrong, verify_receipt
from tests.sandbox.connections import ScriptedConnection

KEY = ec.generate_private_key(ec.SECP256R1())
OTHER = ec.generate_private_key(ec.SECP256R1())
CLAIMS = {"iss": "urn:ota:test", "order_id": "top_1", "state": "loaded"}


def published() -> Api:
    jwk: dict[str, Any] = ECAlgorithm.to_jwk(KEY.public_key(), as_dict=True)
    return Api(ScriptedConnection((200, {"keys": [jwk | {"kid": "k1", "alg": "ES256"}]})))


def signed(key: ec.EllipticCurvePrivateKey = KEY, kid: str = "k1", typ: str = "receipt+jwt") -> str:
    return jwt.encode(CLAIMS, key, "ES256", headers={"kid": kid, "typ": typ})


def test_a_receipt_by_the_published_key_holds() -> None:
    assert verify_receipt(published(), signed()) == CLAIMS


@pytest.mark.parametrize(
    "receipt",
    [
        signed(OTHER),
        signed(kid="k2"),
        signed(typ="at+jwt"),
        signed()[:-4] + "AAAA",
        jwt.encode(CLAIMS, "s" * 32, "HS256", headers={"kid": "k1", "typ": "receipt+jwt"}),
        "",
        "a.b.c",
    ],
)
def test_anything_else_does_not(receipt: str) -> None:
    with pytest.raises(ReceiptWrong):
        verify_receipt(published(), receipt)
