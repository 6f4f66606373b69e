"""Payments: the signed fact that a caller hands in, and the row that makes it count once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, Self

from sqlalchemy import Connection, select

from ota.core.errors import Conflict, InvalidValue, NextAction, Refused
from ota.core.ids import new_id
from ota.core.principal import Principal
from ota.core.values import Fen
from ota.store.inserts import insert_or_skip
from ota.topup.models import payment


class PaymentDiffers(Refused):
    """The payment is not the one that the order asks for."""

    code = "payment_differs"

    def __init__(self, field: str) -> None:
        super().__init__(
            english=f"The payment does not fit the order: {field} differs.",
            chinese=f"支付信息与订单不符: {field}。",
            details={"field": field},
        )


class PaymentUsed(Conflict):
    """The trade already paid for another order."""

    code = "payment_used"
    next_action = NextAction.CONTACT_SERVICE
    english = "This trade has already paid for another order."
    chinese = "该支付流水已用于其他订单。"


class PaidAlready(Conflict):
    """The order was paid by another trade."""

    code = "paid_already"
    next_action = NextAction.CONTACT_SERVICE
    english = "The order is already paid by another trade."
    chinese = "该订单已由另一笔支付完成付款。"


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
            amount=Fen(_whole(claims, "amount_fen")),
            currency=_text(claims, "currency", 3),
            paid_at=_moment(claims, "paid_at"),
        )


class SignedFacts(Protocol):
    """Checks a signature that a caller made with its registered key."""

    def read(self, caller: Principal, signed: str) -> Mapping[str, object]:
        """The claims; raises Unauthenticated when the signature is not the caller's."""
        ...


def book(tx: Connection, order_id: str, due: Fen, fact: PaymentFact, now: datetime) -> bool:
    """Write the payment of an order that costs ``due``; False when this very payment is there already.

    Raises PaymentDiffers, PaymentUsed, PaidAlready. The caller holds the order's lock.
    """
    if fact.currency != "CNY":
        raise PaymentDiffers("currency")
    if fact.amount != due:
        raise PaymentDiffers("amount_fen")
    inserted = tx.execute(
        insert_or_skip(tx, payment).values(
            id=new_id("pay"),
            order_id=order_id,
            channel=fact.channel,
            trade_no=fact.trade_no,
            amount_fen=fact.amount.amount,
            currency=fact.currency,
            paid_at=fact.paid_at,
            taken_at=now,
        )
    )
    _require_same(tx, order_id, fact)
    return inserted.rowcount == 1


def _require_same(tx: Connection, order_id: str, fact: PaymentFact) -> None:
    row = tx.execute(
        select(payment).where(payment.c.channel == fact.channel, payment.c.trade_no == fact.trade_no)
    ).one()
    if row.order_id != order_id:
        raise PaymentUsed
    trades = tx.execute(select(payment.c.trade_no).where(payment.c.order_id == order_id)).all()
    if len(trades) > 1:
        raise PaidAlready  # rolls the second one back: the wallet keeps that money and returns it


def _text(claims: Mapping[str, object], name: str, longest: int) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= longest or not value.isprintable():
        raise InvalidValue(f"payment.{name}", f"1 to {longest} printable characters")
    return value


def _whole(claims: Mapping[str, object], name: str) -> int:
    value = claims.get(name)
    if type(value) is not int:
        raise InvalidValue(f"payment.{name}", "a whole number of fen")
    return value


def _moment(claims: Mapping[str, object], name: str) -> datetime:
    value = claims.get(name)
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise InvalidValue(f"payment.{name}", "a time with a zone, ISO 8601")
    return moment
