"""A staff member's second factor: time-based one-time passwords (RFC 6238), six digits, 30 seconds, SHA-1."""

import base64
import hashlib
import hmac
from datetime import datetime

STEP_S = 30
_DIGITS = 6
_DRIFT = 1  # one step either way, as RFC 6238 5.2 recommends


def matching_step(secret: str, code: str, at: datetime) -> int | None:
    """The time step whose code was given, so that it can be used only once; None when none matches.

    ``secret`` is base32 as authenticator apps take it.

    >>> matching_step("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", "287082", datetime.fromisoformat("1970-01-01T00:00:59Z"))
    1
    """
    if len(code) != _DIGITS or not (code.isascii() and code.isdigit()):
        return None
    now = int(at.timestamp()) // STEP_S
    for step in range(now - _DRIFT, now + _DRIFT + 1):
        if step >= 0 and hmac.compare_digest(_code(secret, step), code):
            return step
    return None


def one_time_code(secret: str, at: datetime) -> str:
    """The code that an authenticator shows at this moment."""
    return _code(secret, int(at.timestamp()) // STEP_S)


def _code(secret: str, step: int) -> str:
    """HOTP (RFC 4226 5.3): dynamic truncation of the HMAC of the counter."""
    digest = hmac.new(_decode(secret), step.to_bytes(8, "big"), hashlib.sha1).digest()
    offset = digest[-1] & 0xF
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFF_FFFF
    return f"{number % 10**_DIGITS:0{_DIGITS}d}"


def _decode(secret: str) -> bytes:
    return base64.b32decode(secret + "=" * (-len(secret) % 8), casefold=True)
