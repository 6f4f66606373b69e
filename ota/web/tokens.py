"""The platform's own tokens: access tokens for callers, session tokens for phones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import jwt

from ota.core.clock import Clock
from ota.core.errors import OtaError, Unauthenticated
from ota.core.ids import new_id
from ota.core.principal import CallerKind, Principal
from ota.core.values import CityCode, TerminalNumber
from ota.web.ports import Caller, Signer
from ota.web.scopes import PHONE_SCOPES

MAX_TOKEN = 4096
ACCESS = "at+jwt"  # RFC 9068 2.1
SESSION = "session+jwt"

_ACCESS_CLAIMS = ("iss", "sub", "aud", "iat", "exp", "jti", "scope", "kind")
_SESSION_CLAIMS = ("iss", "sub", "aud", "iat", "exp", "jti", "se_id")


@dataclass(frozen=True, slots=True)
class Tokens:
    """Issues and reads tokens; ``audience`` is this platform's name, as issuer and as audience."""

    signer: Signer
    clock: Clock
    audience: str
    access_life: timedelta = timedelta(minutes=15)
    session_life: timedelta = timedelta(minutes=30)

    def issue_access(self, caller: Caller, scopes: Iterable[str]) -> str:
        """An access token with these scopes for a caller whose proof was accepted."""
        claims = self._claims(caller.id, self.access_life)
        claims |= {"scope": " ".join(sorted(scopes)), "kind": caller.kind.value}
        if caller.city is not None:
            claims["city"] = caller.city.code
        if caller.terminal is not None:
            claims["terminal_no"] = caller.terminal.digits
        return self.signer.sign(claims, type_=ACCESS)

    def issue_session(self, session_id: str, se_id: str) -> str:
        """A token for the phone of one session and one secure element."""
        return self.signer.sign(self._claims(session_id, self.session_life) | {"se_id": se_id}, type_=SESSION)

    def read(self, token: str) -> Principal:
        """Who the token speaks for; raises Unauthenticated for one that does not hold."""
        try:
            kind = jwt.get_unverified_header(token).get("typ")  # only chooses which check must pass
            if kind == SESSION:
                return _phone(self._verify(token, SESSION, _SESSION_CLAIMS))
            return _caller(self._verify(token, ACCESS, _ACCESS_CLAIMS))
        except (jwt.PyJWTError, OtaError, ValueError, KeyError, TypeError) as error:
            raise Unauthenticated from error

    def _claims(self, subject: str, life: timedelta) -> dict[str, object]:
        now = int(self.clock.now().timestamp())
        return {
            "iss": self.audience,
            "aud": self.audience,
            "sub": subject,
            "iat": now,
            "exp": now + int(life.total_seconds()),
            "jti": new_id("tok"),
        }

    def _verify(self, token: str, type_: str, required: Sequence[str]) -> Mapping[str, Any]:
        claims = self.signer.verify(token, type_=type_, audience=self.audience, required=required)
        if claims["iss"] != self.audience or not all(claims.get(name) for name in required):
            raise Unauthenticated
        return claims


def _caller(claims: Mapping[str, Any]) -> Principal:
    city, terminal = claims.get("city"), claims.get("terminal_no")
    return Principal(
        kind=CallerKind(claims["kind"]),
        id=claims["sub"],
        scopes=frozenset(claims["scope"].split(" ")),
        city=None if city is None else CityCode(city),
        terminal=None if terminal is None else TerminalNumber(terminal),
    )


def _phone(claims: Mapping[str, Any]) -> Principal:
    return Principal(
        kind=CallerKind.PHONE,
        id=claims["sub"],
        scopes=PHONE_SCOPES,
        session_id=claims["sub"],
        se_id=claims["se_id"],
    )
