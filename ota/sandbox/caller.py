"""A caller of the platform at work: its access token is always fresh enough, its payments are signed."""

from __future__ import annotations

import json
import secrets
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

from ota.sandbox.api import Api, Json
from ota.sandbox.credentials import Credentials

AUDIENCE: Final = "urn:ota:development"
"""The platform's name unless it was configured otherwise."""

_ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_RENEW_BEFORE_S: Final = 30


class Caller:
    """Credentials put to use against one platform; every method raises Refused and Unreachable."""

    def __init__(self, api: Api, credentials: Credentials, audience: str = AUDIENCE) -> None:
        self.api = api
        self._credentials = credentials
        self._audience = audience
        self._token = ""
        self._renew_at = 0.0

    @property
    def token(self) -> str:
        """An access token that lives a while yet (RFC 7523 2.2)."""
        if not self._token or time.monotonic() >= self._renew_at:
            form = {
                "grant_type": "client_credentials",
                "client_assertion_type": _ASSERTION_TYPE,
                "client_assertion": self._credentials.assertion(self._audience),
            }
            answer = self.api.post_form("/v1/token", urlencode(form))
            self._token = answer["access_token"]
            self._renew_at = time.monotonic() + answer["expires_in"] - _RENEW_BEFORE_S
        return self._token

    def payment(self, amount_fen: int) -> str:
        """A signed statement that somebody paid so much, just now, in a trade of its own."""
        now = datetime.now(UTC)
        claims = {
            "iss": self._credentials.caller_id,
            "aud": self._audience,
            "iat": int(now.timestamp()),
            "channel": "sandbox",
            "trade_no": secrets.token_hex(12),
            "amount_fen": amount_fen,
            "currency": "CNY",
            "paid_at": now.isoformat(timespec="seconds"),
        }
        return self._credentials.sign(claims, type_="payment+jwt")

    def get(self, path: str) -> Json:
        """Read something as this caller."""
        return self.api.get(path, self.token)

    def post(self, path: str, body: Json, key: str | None = None) -> Json:
        """Send something as this caller."""
        return self.api.post(path, self.token, body, key)


def read_credentials(caller_id: str, file: Path) -> Credentials:
    """A caller with a private key of its own: a JWK, or an object with one under ``jwk``. Raises ValueError."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        jwk = content.get("jwk", content)
        return Credentials(caller_id, jwk["kid"], jwk)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{file}: expected a private JWK with a kid") from error
