"""The signed fact that a caller hands in: who took how much, in which trade, and when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol, Self

from ota.core.errors import InvalidValue
from ota.core.principal import Principal
from ota.core.values import Fen

_EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""No trade is older than the channels."""


@dataclass(frozen=True, slots=True)
class PaymentFact:
    """What a caller vouches for with its signature: who took how much, in which trade, and when."""

    channel: str
    trade_no: str
    amount: Fen
    currency: str
    paid_at: datetime

    @classmethod
    def from_claims(cls, claims: Mapping[str, object]) -> Self:
        """Read the claims of a payment's signature; raises InvalidValue naming the claim."""
        return cls(
            channel=_text(claims, "channel", 32),
            trade_no=_text(claims, "trade_no", 64),
            amount=Fen(_at_least_one(claims, "amount_fen")),
            currency=_text(claims, "currency", 3),
            paid_at=_moment(claims, "paid_at"),
        )


class SignedFacts(Protocol):
    """Checks a signature that a caller made with its registered key."""

    def read(self, caller: Principal, signed: str) -> Mapping[str, object]:
        """The claims; raises Unauthenticated when the signature is not the caller's."""
        ...


def _text(claims: Mapping[str, object], name: str, longest: int) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= longest or not value.isprintable():
        raise InvalidValue(f"payment.{name}", f"1 to {longest} printable characters")
    return value


def _at_least_one(claims: Mapping[str, object], name: str) -> int:
    value = claims.get(name)
    if type(value) is not int or value < 1:
        raise InvalidValue(f"payment.{name}", "a whole number of fen, 1 or more")
    return value


def _moment(claims: Mapping[str, object], name: str) -> datetime:
    value = claims.get(name)
    try:
        given = datetime.fromisoformat(value) if isinstance(value, str) else None
        # The first and last hours of the calendar do not exist everywhere: they overflow on their way to UTC.
        moment = None if given is None or given.tzinfo is None else given.astimezone(UTC)
    except (ValueError, OverflowError):
        moment = None
    if moment is None or moment < _EARLIEST:
        raise InvalidValue(f"payment.{name}", "a time with a zone, ISO 8601, in 2000 or later")
    return moment
