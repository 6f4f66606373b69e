"""The published TEST credentials of the sandbox: how its wallet, terminals and staff prove who they are.

Everybody has these private keys. A platform with ``environment = "production"`` refuses them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

import jwt

OTP_SECRET = "ONQW4ZDCN54C25DFON2C233UOAWXGZLDOJSXI"
"""The second factor of ``sandbox-clerk`` and ``sandbox-supervisor`` (RFC 6238: SHA-1, six digits, 30 seconds)."""

_ASSERTION_LIFE_S = 120


@dataclass(frozen=True, slots=True)
class Credentials:
    """One test caller and its private key."""

    caller_id: str
    kid: str
    private_jwk: Mapping[str, str] = field(repr=False)

    def assertion(self, audience: str) -> str:
        """A single-use proof for POST /v1/token (RFC 7523 section 3)."""
        now = int(time.time())
        claims = {"iss": self.caller_id, "sub": self.caller_id, "aud": audience, "iat": now}
        return self.sign(
            claims | {"exp": now + _ASSERTION_LIFE_S, "jti": secrets.token_urlsafe(16)}, type_="JWT"
        )

    def sign(self, claims: Mapping[str, Any], *, type_: str) -> str:
        """A compact JWS over claims, such as a payment fact (``type_`` "payment+jwt")."""
        key = jwt.PyJWK.from_dict(dict(self.private_jwk), algorithm="ES256").key
        return jwt.encode(dict(claims), key, "ES256", headers={"typ": type_, "kid": self.kid})


def wallet(name: str = "sandbox-wallet") -> Credentials:
    """The wallet server's credentials: ``sandbox-wallet`` or ``sandbox-wallet-2``."""
    return _load(name, name)


def terminal(city: str) -> Credentials:
    """The terminal of a city, by the name of its file (``foshan``); all share one test key."""
    return _load(f"sandbox-terminal-{city}", "sandbox-terminal")


def clerk() -> Credentials:
    """The staff member's credentials; a token also needs ``one_time_code``."""
    return _load("sandbox-clerk", "sandbox-clerk")


def supervisor() -> Credentials:
    """The second person for decisions about money; shares the clerk's key and ``one_time_code``."""
    return _load("sandbox-supervisor", "sandbox-clerk")


def one_time_code(at: float | None = None) -> str:
    """The clerk's code at a moment, in seconds since 1970; now unless told."""
    step = int(time.time() if at is None else at) // 30
    secret = base64.b32decode(OTP_SECRET + "=" * (-len(OTP_SECRET) % 8))
    digest = hmac.new(secret, step.to_bytes(8, "big"), hashlib.sha1).digest()
    offset = digest[-1] & 15  # dynamic truncation, RFC 4226 5.3
    return f"{(int.from_bytes(digest[offset : offset + 4], 'big') & 0x7FFFFFFF) % 1_000_000:06d}"


def _load(caller_id: str, key: str) -> Credentials:
    text = (files("ota.sandbox") / "test_keys" / f"{key}.TEST.json").read_text(encoding="utf-8")
    jwk = json.loads(text)["jwk"]
    return Credentials(caller_id, jwk["kid"], jwk)
