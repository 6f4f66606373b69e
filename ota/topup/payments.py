"""Payments: the signed fact that a caller hands in, and the row that makes it count once.

A payment that fits a caller's order in form but cannot serve it (another amount, an order that is paid already) is
booked all the same: the money was captured. It is surplus, and goes back by itself.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Row, select

from ota.core.errors import Conflict, InvalidValue, NextAction, OtaError, Refused
from ota.core.ids import new_id
from ota.core.values import CityCode, Fen
from ota.ledger import books, journals
from ota.ledger.books import Money
from ota.store import restores
from ota.store.inserts import insert_or_skip
from ota.topup.models import payment
from ota.topup.payment_fact import PaymentFact
from ota.topup.states import PaymentPurpose, RefundReason

_log = logging.getLogger(__name__)


class PaymentDiffers(Refused):
    """The payment is not the one that the order asks for."""

    code = "payment_differs"

    def __init__(self, field: str, returned: str | None = None) -> None:
        back = ("", "") if returned is None else (" The money goes back.", "该款项将原路退回。")
        super().__init__(
            english=f"The payment does not fit the order: {field} differs.{back[0]}",
            chinese=f"支付信息与订单不符: {field}。{back[1]}",
            details={"field": field} | _returned(returned),
        )


class PaymentUsed(Conflict):
    """The trade already paid for another order."""

    code = "payment_used"
    next_action = NextAction.CONTACT_SERVICE
    english = "This trade has already paid for another order."
    chinese = "该支付流水已用于其他订单。"


class PaymentClaimed(Conflict):
    """Another caller has handed in this trade as its own: one of the two is wrong, and only people can find out which."""

    code = "payment_claimed_by_another"
    next_action = NextAction.CONTACT_SERVICE
    english = "Another caller has claimed this trade; nothing is booked here. Contact the service with the trade number."
    chinese = "该支付流水已被其他调用方登记, 本次未入账, 请凭流水号联系客服。"

    def __init__(self, claimed_by: str) -> None:
        super().__init__()
        self.claimed_by = claimed_by
        """For the platform's own people; the answer names nobody."""


class PaidAlready(Conflict):
    """The order was paid by another trade."""

    code = "paid_already"
    english = "The order is already paid by another trade; this one goes back."
    chinese = "该订单已由另一笔支付完成付款, 本笔款项将原路退回。"

    def __init__(self, returned: str) -> None:
        super().__init__(details=_returned(returned))


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be paid: for which order, by whom, and in which city's books."""

    order_id: str
    purpose: PaymentPurpose
    caller_id: str
    city: CityCode
    amount: Fen


@dataclass(frozen=True, slots=True)
class Payment:
    """A captured payment. ``surplus`` says why it cannot serve its order; None: it does."""

    id: str
    order_id: str
    purpose: PaymentPurpose
    surplus: RefundReason | None
    caller_id: str
    city: CityCode
    channel: str
    trade_no: str
    amount: Fen
    paid_at: datetime

    @property
    def money(self) -> Money:
        """The payment as the books know it."""
        return Money(self.id, self.channel, self.city, self.amount)

    def require_fit(self) -> None:
        """Raise for surplus money what the caller is told, the same every time it asks."""
        if self.surplus is not None:
            raise _refusal(self.surplus, self.id)


def take(tx: Connection, due: Due, fact: PaymentFact, now: datetime) -> tuple[Payment, bool]:
    """Write a payment and book it in suspense; True when it is new, False when this very payment is there already.

    The answer tells whether it fits its order. Raises PaymentDiffers for another currency and for a known trade with
    another amount, PaymentUsed for a trade of another order, PaymentClaimed for one of another caller, InvalidValue for one
    that lies in the future; then nothing is written. The caller holds the order's lock.
    """
    if (
        fact.paid_at > now + restores.CLOCKS
    ):  # a clock that is further ahead would hide a payment from before a restore
        raise InvalidValue(
            "payment.paid_at", "a time that has come; the caller's clock may be 10 minutes ahead"
        )
    if fact.currency != "CNY":
        raise PaymentDiffers("currency")
    known = _of_trade(tx, fact)
    if known is None:
        written = _insert(tx, due, fact, now)
        if written is not None:
            journals.post(tx, books.payment_taken(written.money), now)
            return written, True
        known = _of_trade(tx, fact)  # another order took the same trade a moment ago
    if known is not None and known.caller_id != due.caller_id:
        _log.error(
            "trade %s of %s is claimed by %s, and was by %s for %s: a person must look",
            *(fact.trade_no, fact.channel, due.caller_id, known.caller_id, known.order_id),
        )
        raise PaymentClaimed(known.caller_id)
    if known is None or known.order_id != due.order_id:
        raise PaymentUsed
    if known.amount != fact.amount:
        raise PaymentDiffers("amount_fen")
    return known, False


def take_fitting(tx: Connection, due: Due, fact: PaymentFact, now: datetime) -> Payment:
    """Take the payment of an order that is refused as a whole unless it fits: then nothing of it is booked.

    Raises what `take` raises, and PaymentDiffers.
    """
    if fact.amount != due.amount:
        raise PaymentDiffers("amount_fen")
    return take(tx, due, fact, now)[0]


def of_order(tx: Connection, order_id: str) -> Payment:
    """The one payment that serves an order; every order with money has it."""
    found = find_of_order(tx, order_id)
    assert found is not None  # noqa: S101  only payments.take makes an order paid
    return found


def find_of_order(tx: Connection, order_id: str) -> Payment | None:
    """The payment that serves an order, or None as long as it is not paid."""
    query = select(payment).where(payment.c.order_id == order_id, payment.c.surplus.is_(None))
    row = tx.execute(query).one_or_none()
    return _payment(row) if row is not None else None


def get(tx: Connection, payment_id: str) -> Payment:
    """A payment; its id comes from the platform's own rows."""
    return _payment(tx.execute(select(payment).where(payment.c.id == payment_id)).one())


def _insert(tx: Connection, due: Due, fact: PaymentFact, now: datetime) -> Payment | None:
    new = Payment(
        id=new_id("pay"),
        order_id=due.order_id,
        purpose=due.purpose,
        surplus=_why_surplus(tx, due, fact),
        caller_id=due.caller_id,
        city=due.city,
        channel=fact.channel,
        trade_no=fact.trade_no,
        amount=fact.amount,
        paid_at=fact.paid_at,
    )
    inserted = tx.execute(
        insert_or_skip(tx, payment).values(
            id=new.id,
            order_id=new.order_id,
            purpose=new.purpose,
            surplus=new.surplus,
            caller_id=new.caller_id,
            city=new.city.code,
            channel=new.channel,
            trade_no=new.trade_no,
            amount_fen=new.amount.amount,
            currency=fact.currency,
            paid_at=fact.paid_at,
            taken_at=now,
        )
    )
    return new if inserted.rowcount == 1 else None


def _why_surplus(tx: Connection, due: Due, fact: PaymentFact) -> RefundReason | None:
    if find_of_order(tx, due.order_id) is not None:
        return RefundReason.PAID_TWICE
    return None if fact.amount == due.amount else RefundReason.AMOUNT_DIFFERS


def _of_trade(tx: Connection, fact: PaymentFact) -> Payment | None:
    row = tx.execute(
        select(payment).where(payment.c.channel == fact.channel, payment.c.trade_no == fact.trade_no)
    ).one_or_none()
    return _payment(row) if row is not None else None


def _payment(row: Row[tuple[object, ...]]) -> Payment:
    return Payment(
        id=row.id,
        order_id=row.order_id,
        purpose=row.purpose,
        surplus=row.surplus,
        caller_id=row.caller_id,
        city=CityCode(row.city),
        channel=row.channel,
        trade_no=row.trade_no,
        amount=Fen(row.amount_fen),
        paid_at=row.paid_at,
    )


def _refusal(why: RefundReason, payment_id: str) -> OtaError:
    if why is RefundReason.AMOUNT_DIFFERS:
        return PaymentDiffers("amount_fen", payment_id)
    return PaidAlready(payment_id)


def _returned(payment_id: str | None) -> dict[str, str]:
    """What tells a machine that the platform has the money and sends it back."""
    return {} if payment_id is None else {"payment_id": payment_id, "money": "on_its_way_back"}
