"""The side of a wallet's server that the platform speaks to: it pays refunds back, once per key, and takes events.

Everything that comes is checked with the platform's published keys; everything that is answered about money is signed.
It keeps its own books, so that a demonstration or a test can hold the platform's against them.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import jwt

from ota.sandbox.callback_server import HungUp, Posted
from ota.sandbox.caller import AUDIENCE
from ota.sandbox.credentials import Credentials

_ECHOED: Final = ("refund_key", "channel", "trade_no", "amount_fen", "currency")

Jwks = Callable[[], dict[str, Any]]
"""Fetches the platform's published keys."""


class Mishap(StrEnum):
    """What goes wrong with the next message of a kind."""

    LOST = "lost"
    """It never arrives."""

    ANSWER_LOST = "answer_lost"
    """It arrives and is done; the answer does not get back."""

    BROKEN = "broken"
    """The server answers 500 and has done nothing."""


class NotThePlatforms(Exception):
    """A message that the platform did not sign for this wallet."""


@dataclass
class PaymentDesk:
    """One wallet's server. ``plan`` mishaps; then look at what it was asked, has paid and was told."""

    credentials: Credentials
    jwks: Jwks
    audience: str = AUDIENCE
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Path and refund key of every message about a refund."""
    paid_back_fen: dict[str, int] = field(default_factory=dict)
    """By trade number: what the customer has back."""
    events: list[dict[str, Any]] = field(default_factory=list)
    """Each event once, in the order of arrival."""
    repeated: int = 0
    """How many events came again."""
    _refunds: dict[str, str] = field(default_factory=dict)
    _mishaps: list[tuple[str, Mishap]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def plan(self, path: str, mishap: Mishap) -> None:
        """Let the next message to a path (``/refunds``, ``/refunds/query``, ``/events``) go wrong."""
        self._mishaps.append((path, mishap))

    def take(self, posted: Posted) -> tuple[int, bytes]:
        """Status and body of the answer to one message; raises HungUp where none gets back."""
        handler = {"/refunds": self._refund, "/refunds/query": self._query, "/events": self._event}
        path = posted.path
        if path not in handler:
            return 404, b""
        with self._lock:
            mishap = self._next_mishap(path)
            if mishap is Mishap.LOST:
                raise HungUp
            if mishap is Mishap.BROKEN:
                return 500, b""
            try:
                answer = handler[path](posted.body)
            except NotThePlatforms:
                return 401, b""
            if mishap is Mishap.ANSWER_LOST:
                raise HungUp
            return answer

    def late(self) -> list[dict[str, Any]]:
        """Events that came after a later one of the same card."""
        found, highest = [], dict[str, int]()
        for event in self.events:
            card, position = event["card_no"], event["card_position"]
            if position < highest.get(card, 0):
                found.append(event)
            highest[card] = max(position, highest.get(card, 0))
        return found

    def _next_mishap(self, path: str) -> Mishap | None:
        for planned in self._mishaps:
            if planned[0] == path:
                self._mishaps.remove(planned)
                return planned[1]
        return None

    def _refund(self, body: dict[str, Any]) -> tuple[int, bytes]:
        claims = self._claims(body.get("refund"), "refund+jwt")
        key, trade = claims["refund_key"], claims["trade_no"]
        self.asked.append(("/refunds", key))
        if key not in self._refunds:
            first = trade not in self.paid_back_fen  # one trade goes back once, whatever it is called
            self._refunds[key] = "done" if first else "refused"
            if first:
                self.paid_back_fen[trade] = claims["amount_fen"]
        return self._answer(claims, self._refunds[key])

    def _query(self, body: dict[str, Any]) -> tuple[int, bytes]:
        claims = self._claims(body.get("refund"), "refund+jwt")
        self.asked.append(("/refunds/query", claims["refund_key"]))
        return self._answer(claims, self._refunds.get(claims["refund_key"], "unheard"))

    def _event(self, body: dict[str, Any]) -> tuple[int, bytes]:
        event = self._claims(body.get("event"), "event+jwt")
        if any(known["event_id"] == event["event_id"] for known in self.events):
            self.repeated += 1
        else:
            self.events.append(event)
        return 204, b""

    def _answer(self, claims: dict[str, Any], state: str) -> tuple[int, bytes]:
        said = {name: claims[name] for name in _ECHOED} | {
            "iss": self.credentials.caller_id,
            "aud": self.audience,
            "iat": int(time.time()),
            "state": state,
        }
        signed = self.credentials.sign(said, type_="refund-answer+jwt")
        return 200, json.dumps({"answer": signed}).encode()

    def _claims(self, signed: object, type_: str) -> dict[str, Any]:
        """What the platform says to this wallet; raises NotThePlatforms for anything else."""
        try:
            header = jwt.get_unverified_header(str(signed))
            if header.get("typ") != type_ or header.get("alg") != "ES256":
                raise NotThePlatforms
            key = jwt.PyJWKSet.from_dict(self.jwks())[str(header.get("kid"))]
            claims: dict[str, Any] = jwt.decode(
                str(signed),
                key,
                algorithms=["ES256"],
                audience=self.credentials.caller_id,
                issuer=self.audience,
                options={"require": ["iss", "aud", "iat"], "verify_iat": False},
            )
        except (jwt.PyJWTError, KeyError) as error:
            raise NotThePlatforms from error
        return claims
