"""Second factors of staff: time-based one-time passwords (RFC 6238), six digits, 30 seconds, SHA-1; secrets kept sealed.

A secret is sealed under the data folder's key-encryption key by AES-SIV (RFC 5297), which needs no nonce: the same secret
of the same caller gives the same text, and a text that stands with another caller opens nothing.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from ota.core.errors import InvalidValue
from ota.hsm_adapter.errors import KeyStoreDamaged
from ota.hsm_adapter.software.kek import Stamp, stamp

STEP_S: Final = 30
_DIGITS: Final = 6
_DRIFT: Final = 1  # one step either way, as RFC 6238 5.2 recommends
_SEALED: Final = "sealed:"  # no base32 text begins like this
_PURPOSE: Final = "second factors"
_LEAST_BYTES: Final = 10


class OneTimeCodes:
    """Seals secrets and checks codes; a secret leaves it only as the text that is kept."""

    def __init__(self, made: Stamp) -> None:
        self._siv = AESSIV(made.of(b"authenticate") + made.of(b"encipher"))

    @classmethod
    def open(cls, folder: Path) -> OneTimeCodes:
        """Under the key-encryption key of a data folder; raises KeyStoreDamaged."""
        return cls(stamp(folder, _PURPOSE))

    def seal(self, caller_id: str, secret: str) -> str:
        """The text to keep of a secret in base32, as authenticator apps take it; one that is sealed stays as it is.

        Raises InvalidValue for what is no base32 or has fewer than 10 bytes.
        """
        if secret.startswith(_SEALED):
            return secret
        try:
            is_long_enough = len(_decode(secret)) >= _LEAST_BYTES
        except (binascii.Error, ValueError):
            is_long_enough = False
        if not is_long_enough:
            raise InvalidValue("otp_secret", f"base32 of {_LEAST_BYTES} bytes or more")
        sealed = self._siv.encrypt(secret.encode(), [caller_id.encode()])
        return _SEALED + base64.urlsafe_b64encode(sealed).decode()

    def matching_step(self, caller_id: str, kept: str, code: str, at: datetime) -> int | None:
        """The time step whose code was given, so that it can be used only once; None when none matches.

        ``kept`` is sealed, or comes from before there were seals. Raises KeyStoreDamaged for a text that was altered,
        moved from another caller or sealed in another installation.
        """
        secret = self._opened(caller_id, kept) if kept.startswith(_SEALED) else kept
        return matching_step(secret, code, at)

    def _opened(self, caller_id: str, kept: str) -> str:
        try:
            sealed = base64.urlsafe_b64decode(kept.removeprefix(_SEALED))
            return self._siv.decrypt(sealed, [caller_id.encode()]).decode()
        except (InvalidTag, ValueError):
            raise KeyStoreDamaged("a second factor was altered, or sealed under another key") from None


def matching_step(secret: str, code: str, at: datetime) -> int | None:
    """The time step whose code was given; None when none matches.

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
