"""Refunds as rows: one per payment, and so one per order. Start, step, and what each step means in the books."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, Row, select

from ota.core.errors import NotFound
from ota.core.ids import new_id
from ota.core.values import Fen
from ota.ledger import books, journals
from ota.ledger.journals import JournalKind
from ota.store import audit, history, outbox
from ota.store.audit import Entry
from ota.topup import payments
from ota.topup.jobs import SEND_REFUND
from ota.topup.models import refund
from ota.topup.payments import Payment
from ota.topup.states import PENDING, REFUND, PaymentPurpose, RefundEvent, RefundReason, RefundState

_FIRST_PAUSE: Final = timedelta(seconds=30)
_LONGEST_PAUSE: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Refund:
    """Money on its way back. ``key`` names it to the wallet; each round has its own."""

    id: str
    payment_id: str
    order_id: str
    caller_id: str
    round: int
    tries: int
    state: RefundState
    amount: Fen
    reason: RefundReason
    created_at: datetime
    updated_at: datetime
    restore_id: str | None = None
    """The restore before which this round may have been paid out by other means, or under another key."""

    @property
    def key(self) -> str:
        """What the wallet knows this round by; the same key never pays twice."""
        return f"{self.id}-{self.round}"

    @property
    def pause(self) -> timedelta:
        """How long to wait before asking again what became of it."""
        return min(_LONGEST_PAUSE, _FIRST_PAUSE * (1 << min(self.tries, 12)))

    def step(self, tx: Connection, event: RefundEvent, now: datetime, actor: str = audit.PLATFORM) -> Refund:
        """Take one step of the state machine, with its history; raises NotInThisState. The row is locked.

        What ends or begins a round is booked and goes into the audit trail in the same transaction.
        """
        after = REFUND.after(self.state, event)
        again = event is RefundEvent.STARTED_AGAIN
        new = replace(
            self,
            state=after,
            round=self.round + 1 if again else self.round,
            tries=0 if again else self.tries + 1,
            updated_at=now,
            restore_id=None if again else self.restore_id,
        )
        changes = {"state": after, "round": new.round, "refund_key": new.key, "tries": new.tries}
        tx.execute(
            refund.update()
            .where(refund.c.id == self.id)
            .values(**changes, restore_id=new.restore_id, updated_at=now)
        )
        _remember(tx, new, self.state, event, now)
        if event in _BOOKED:
            _book(tx, self, new, event, now)
            audit.append(tx, _entry(new, f"refund_{event}", actor, now))
        return new

    def in_question(self, tx: Connection, restore_id: str) -> Refund:
        """Note that this round must not be sent before the wallet, or two people, have said what became of it."""
        tx.execute(refund.update().where(refund.c.id == self.id).values(restore_id=restore_id))
        return replace(self, restore_id=restore_id)

    def asked(self, tx: Connection, now: datetime) -> Refund:
        """Note that the wallet was asked and nothing is known yet."""
        tx.execute(refund.update().where(refund.c.id == self.id).values(tries=self.tries + 1, updated_at=now))
        return replace(self, tries=self.tries + 1, updated_at=now)

    def look_after(self, tx: Connection, due_at: datetime) -> None:
        """Promise that somebody will look after it."""
        outbox.stage(tx, SEND_REFUND, self.id, due_at=due_at)


_BOOKED: Final = frozenset(
    {RefundEvent.CONFIRMED, RefundEvent.REFUSED, RefundEvent.STARTED_AGAIN, RefundEvent.PAID_BY_HAND}
)


def start(
    tx: Connection, payment: Payment, reason: RefundReason, now: datetime, actor: str = audit.PLATFORM
) -> Refund:
    """Promise a payment back: the row, the books, the audit trail and the job, in one transaction.

    Whoever calls has proof that the money is not on a card, or two people who stand for it.
    """
    new = Refund(
        id=new_id("ref"),
        payment_id=payment.id,
        order_id=payment.order_id,
        caller_id=payment.caller_id,
        round=1,
        tries=0,
        state=RefundState.REQUESTED,
        amount=payment.amount,
        reason=reason,
        created_at=now,
        updated_at=now,
    )
    tx.execute(
        refund.insert().values(
            id=new.id,
            payment_id=new.payment_id,
            order_id=new.order_id,
            caller_id=new.caller_id,
            refund_key=new.key,
            round=new.round,
            tries=new.tries,
            state=new.state,
            amount_fen=new.amount.amount,
            reason=new.reason,
            created_at=now,
            updated_at=now,
        )
    )
    _remember(tx, new, None, "started", now)
    journals.post(tx, books.refund_started(payment.money, new.key), now)
    new.look_after(tx, now)
    audit.append(tx, _entry(new, "refund_started", actor, now))
    return new


def get(tx: Connection, refund_id: str) -> Refund:
    """The refund; raises NotFound."""
    return _one(tx.execute(select(refund).where(refund.c.id == refund_id)).one_or_none())


def lock(tx: Connection, refund_id: str) -> Refund:
    """The refund with its row locked until the phase ends. Lock its order first."""
    return _one(tx.execute(select(refund).where(refund.c.id == refund_id).with_for_update()).one_or_none())


def of_payment(tx: Connection, payment_id: str) -> Refund | None:
    """The refund of a payment, or None."""
    row = tx.execute(select(refund).where(refund.c.payment_id == payment_id)).one_or_none()
    return _refund(row) if row is not None else None


def of_order(tx: Connection, order_id: str) -> list[Refund]:
    """Every refund of an order's payments, oldest first."""
    rows = tx.execute(
        select(refund).where(refund.c.order_id == order_id).order_by(refund.c.created_at, refund.c.id)
    )
    return [_refund(row) for row in rows]


def waiting(tx: Connection, untouched_since: datetime, limit: int) -> list[Refund]:
    """Refunds on their way that nobody has touched for a while, oldest first."""
    rows = tx.execute(
        select(refund)
        .where(refund.c.state.in_(PENDING), refund.c.updated_at < untouched_since)
        .order_by(refund.c.updated_at, refund.c.id)
        .limit(limit)
    )
    return [_refund(row) for row in rows]


def returns_an_order(payment: Payment) -> bool:
    """Whether refunding this payment is what becomes of a top-up order."""
    return payment.purpose is PaymentPurpose.TOPUP and payment.surplus is None


def _book(tx: Connection, before: Refund, after: Refund, event: RefundEvent, now: datetime) -> None:
    money = payments.get(tx, before.payment_id).money
    if event is RefundEvent.REFUSED:
        journals.reverse(tx, JournalKind.REFUND_STARTED, before.key, now)
    elif event is RefundEvent.STARTED_AGAIN:
        journals.post(tx, books.refund_started(money, after.key), now)
    else:
        journals.post(tx, books.refund_done(money, before.key), now)


def _remember(tx: Connection, after: Refund, before: RefundState | None, event: str, now: datetime) -> None:
    history.record(
        tx, kind="refund", subject_id=after.id, before=before, event=event, after=after.state, at=now
    )


def _entry(of: Refund, action: str, actor: str, now: datetime) -> Entry:
    data = {"order": of.order_id, "key": of.key, "amount_fen": of.amount.amount, "reason": str(of.reason)}
    return Entry(audit.REFUNDS, actor, action, of.id, data, now)


def _one(row: Row[tuple[object, ...]] | None) -> Refund:
    if row is None:
        raise NotFound
    return _refund(row)


def _refund(row: Row[tuple[object, ...]]) -> Refund:
    return Refund(
        id=row.id,
        payment_id=row.payment_id,
        order_id=row.order_id,
        caller_id=row.caller_id,
        round=row.round,
        tries=row.tries,
        state=row.state,
        amount=Fen(row.amount_fen),
        reason=row.reason,
        created_at=row.created_at,
        updated_at=row.updated_at,
        restore_id=row.restore_id,
    )
