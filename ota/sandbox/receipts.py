"""Checks the platform's receipts with its published keys, as a wallet would before it believes one."""

from __future__ import annotations

from typing import Any

import jwt

from ota.sandbox.api import Api

KEYS = "/.well-known/jwks.json"


class ReceiptWrong(Exception):
    """The receipt is not the platform's, or not a receipt."""


def verify_receipt(api: Api, receipt: str) -> dict[str, Any]:
    """The claims of a receipt that the platform signed; raises ReceiptWrong, Refused, Unreachable."""
    try:
        header = jwt.get_unverified_header(receipt)
        if header.get("typ") != "receipt+jwt":
            raise ReceiptWrong(f"the type is {header.get('typ')!r}")
        key = jwt.PyJWKSet.from_dict(api.get_public(KEYS))[str(header.get("kid"))]
        claims: dict[str, Any] = jwt.decode(
            receipt, key, algorithms=["ES256"], options={"verify_aud": False, "verify_iat": False}
        )
    except (jwt.PyJWTError, KeyError) as error:
        raise ReceiptWrong("no key of the platform signed it") from error
    return claims
