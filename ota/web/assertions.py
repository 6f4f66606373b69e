"""Checks a caller's proof: private_key_jwt, a JWT signed with the caller's own ES256 key (RFC 7523 section 3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt

from ota.core.clock import Clock
from ota.core.errors import Unauthenticated
from ota.web.ports import Caller, CallerDirectory, Replays

MAX_ASSERTION = 4096
_HEADER = frozenset({"alg", "kid", "typ"})  # anything else is refused: jku, x5u, jwk, x5c, crit …
_TYPES = ("JWT", "client-authentication+jwt")
_REQUIRED = ["iss", "sub", "aud", "exp", "iat", "jti"]
_MAX_JTI = 128


class InvalidClient(Unauthenticated):
    """The assertion does not hold; which of its parts is not told."""

    code = "invalid_client"
    oauth_error = "invalid_client"
    english = "The client assertion does not hold."
    chinese = "客户端断言无效。"


@dataclass(frozen=True, slots=True)
class AssertionCheck:
    """What an assertion must fulfil: ``audience`` is this platform's name."""

    callers: CallerDirectory
    replays: Replays
    clock: Clock
    audience: str
    longest_life: timedelta = timedelta(seconds=300)
    skew: timedelta = timedelta(minutes=5)

    def accept(self, assertion: str) -> Caller:
        """The caller that made the assertion, which is used up by this; raises InvalidClient or TokenReplayed."""
        if len(assertion) > MAX_ASSERTION:
            raise InvalidClient
        try:
            kid = _key_id(jwt.get_unverified_header(assertion))
            hint = jwt.decode_complete(assertion, options={"verify_signature": False})["payload"]
            caller = self._live_caller(hint.get("iss"))
            claims = self._verified(assertion, caller.keys[kid])
        except (jwt.PyJWTError, KeyError, ValueError, TypeError, OverflowError, RecursionError) as error:
            raise InvalidClient from error
        expires = self._check_times(claims)
        if claims["iss"] != caller.id or claims["sub"] != caller.id:
            raise InvalidClient
        self.replays.use(caller.id, _jti(claims), expires + self.skew)
        return caller

    def _live_caller(self, caller_id: object) -> Caller:
        caller = self.callers.find(caller_id) if isinstance(caller_id, str) and _plain(caller_id) else None
        if caller is None or caller.disabled:
            raise InvalidClient
        return caller

    def _verified(self, assertion: str, jwk: Mapping[str, str]) -> dict[str, Any]:
        if jwk.get("kty") != "EC" or jwk.get("crv") != "P-256":
            raise InvalidClient
        # The dates are checked below against our own clock, so PyJWT is told to leave them alone.
        ours = {"verify_exp": False, "verify_iat": False, "verify_nbf": False}
        options = {"require": _REQUIRED, "strict_aud": True, **ours}
        key = jwt.PyJWK.from_dict(dict(jwk), algorithm="ES256")
        return jwt.decode(assertion, key, algorithms=["ES256"], audience=self.audience, options=options)  # type: ignore[arg-type]

    def _check_times(self, claims: Mapping[str, Any]) -> datetime:
        now = self.clock.now()
        expires, issued = _moment(claims["exp"]), _moment(claims["iat"])
        starts = _moment(claims["nbf"]) if "nbf" in claims else issued
        too_old = expires <= now - self.skew
        too_new = max(issued, starts) > now + self.skew
        too_long = not timedelta(0) < expires - issued <= self.longest_life
        if too_old or too_new or too_long:
            raise InvalidClient
        return expires


def _key_id(header: Mapping[str, Any]) -> str:
    kid = header.get("kid")
    if not header.keys() <= _HEADER or header.get("alg") != "ES256" or not isinstance(kid, str):
        raise InvalidClient
    if header.get("typ", "JWT") not in _TYPES:
        raise InvalidClient
    return kid


def _jti(claims: Mapping[str, Any]) -> str:
    jti = claims["jti"]
    if not isinstance(jti, str) or not _plain(jti):
        raise InvalidClient
    return jti


def _plain(text: str) -> bool:
    """Short visible ASCII: fit for a database key."""
    return 1 <= len(text) <= _MAX_JTI and all("!" <= character <= "~" for character in text)


def _moment(value: object) -> datetime:
    if type(value) not in (int, float):  # a bool is an int to Python, not a NumericDate (RFC 7519 2)
        raise InvalidClient
    try:
        return datetime.fromtimestamp(value, UTC)  # type: ignore[arg-type]
    except (OverflowError, ValueError, OSError):
        raise InvalidClient from None
