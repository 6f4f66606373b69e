"""Refunds: money goes back when it is proven that no card holds it, or when two people stand for it.

The leg to the wallet is an outside call: what is about to be sent is committed first, an answer that did not come is
asked for, and only a wallet that has never heard of a key is sent it again.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, and_, select

from ota.core.clock import Clock
from ota.core.principal import Principal
from ota.store import audit, restores
from ota.store.phases import Store
from ota.topup import attempts, evidence, orders, payments, refund_rows
from ota.topup.errors import NotRefundable, RefundNeedsTwoPeople
from ota.topup.models import payment as payment_table
from ota.topup.models import refund as refund_table
from ota.topup.models import topup_order
from ota.topup.orders import TopupOrder
from ota.topup.payments import Payment
from ota.topup.refund_port import RefundAnswer, RefundOrder, WalletDesk
from ota.topup.refund_rows import Refund
from ota.topup.states import (
    LIVE,
    PENDING,
    REFUND,
    AttemptState,
    RefundEvent,
    RefundReason,
    RefundState,
    TopupEvent,
    TopupState,
)

IN_FLIGHT: Final = timedelta(seconds=60)
"""Longer than a call can take: before it is over, another process may still be sending this refund."""

FORGOTTEN: Final = timedelta(minutes=10)
"""A refund that nobody has touched for so long, and beyond its own pause, has lost its job."""

_SWEEP_LIMIT: Final = 200

_EVENTS: Final = {
    RefundAnswer.DONE: RefundEvent.CONFIRMED,
    RefundAnswer.REFUSED: RefundEvent.REFUSED,
    RefundAnswer.PENDING: RefundEvent.TAKEN,
    RefundAnswer.UNHEARD: RefundEvent.SILENT,
    RefundAnswer.SILENT: RefundEvent.SILENT,
}


class Refunds:
    """Starts refunds, sends them, and finds out what became of them."""

    def __init__(self, store: Store, desk: WalletDesk, clock: Clock, unused_after: timedelta | None) -> None:
        """``unused_after``: how long a paid order that nobody loads keeps its money; None for as long as it takes."""
        self._store = store
        self._desk = desk
        self._clock = clock
        self._unused_after = unused_after

    def request(self, caller: Principal, order_id: str) -> TopupOrder:
        """Give the money of a paid order back: its card is proven not to hold it. Asking again changes nothing.

        Raises NotFound and NotRefundable.
        """
        with self._store.begin() as tx:
            order = orders.own(orders.get(tx, order_id), caller)
            order = orders.lock(tx, order.id)
            if order.state in (TopupState.REFUNDING, TopupState.REFUNDED):
                return order
            return return_unloaded(tx, order, RefundReason.REQUESTED, self._clock.now(), caller.id)

    def of_order(self, caller: Principal, order_id: str) -> list[Refund]:
        """The refunds of the caller's order: its own, and those of payments that did not fit it."""
        with self._store.read() as tx:
            order = orders.own(orders.get(tx, order_id), caller)
            return refund_rows.of_order(tx, order.id)

    def send(self, refund_id: str) -> None:
        """Send a refund, or ask what became of it; may be called at any time, by several processes."""
        asked = self._prepare(refund_id)
        if asked is None:
            return
        order, refund = asked
        is_unknown = refund.state is RefundState.UNKNOWN
        answer = self._desk.query(order) if is_unknown else self._desk.send(order)
        if is_unknown and answer is RefundAnswer.UNHEARD:
            if refund.restore_id is not None:
                answer = RefundAnswer.REFUSED  # it may have been paid by other means: two people decide
            elif not self._sent_again(refund_id):
                return
            else:
                answer = self._desk.send(order)
        self._take(refund_id, order.key, answer)

    def sweep(self) -> int:
        """Return what nobody loads, and take up refunds that lost their job; returns how many were touched."""
        return self._return_unused() + self._take_up_forgotten()

    def _prepare(self, refund_id: str) -> tuple[RefundOrder, Refund] | None:
        """Commit what is about to be done; None when there is nothing to do now."""
        now = self._clock.now()
        with self._store.begin() as tx:
            refund = refund_rows.lock(tx, refund_id)
            if refund.state not in PENDING or not self._desk.reaches(refund.caller_id):
                return None
            if refund.state is RefundState.SENT:
                if now - refund.updated_at < IN_FLIGHT:
                    refund.look_after(tx, refund.updated_at + IN_FLIGHT)
                    return None
                refund = refund.step(tx, RefundEvent.SILENT, now)  # whoever sent it did not live to say more
            elif refund.state is RefundState.REQUESTED:
                refund = refund.step(tx, RefundEvent.SENT, now)
                if refund.restore_id is not None:  # asked about before it is sent
                    refund = refund.step(tx, RefundEvent.SILENT, now)
            return _told(refund, payments.get(tx, refund.payment_id)), refund

    def _sent_again(self, refund_id: str) -> bool:
        with self._store.begin() as tx:
            refund = refund_rows.lock(tx, refund_id)
            if refund.state is not RefundState.UNKNOWN:
                return False
            refund.step(tx, RefundEvent.SENT_AGAIN, self._clock.now())
            return True

    def _take(self, refund_id: str, key: str, answer: RefundAnswer) -> None:
        """Write down what the wallet said; an answer to an earlier round, or after the end, changes nothing."""
        now = self._clock.now()
        event = _EVENTS[answer]
        with self._store.begin() as tx:
            payment = payments.get(tx, refund_rows.get(tx, refund_id).payment_id)
            order = orders.lock(tx, payment.order_id) if refund_rows.returns_an_order(payment) else None
            refund = refund_rows.lock(tx, refund_id)
            if refund.key != key or refund.state not in PENDING:
                return
            if event in (RefundEvent.SILENT, RefundEvent.TAKEN):
                _wait(tx, refund, event, now)
                return
            if order is not None:
                order.step(tx, _ending(tx, order, event), now, {"refund": refund.key})
            refund.step(tx, event, now)

    def _return_unused(self) -> int:
        if self._unused_after is None:
            return 0
        now = self._clock.now()
        with self._store.read() as tx:
            unused = _unused(tx, now - self._unused_after)
        for order_id in unused:
            with self._store.begin() as tx:
                order = orders.lock(tx, order_id)
                if order.state is TopupState.PAID:
                    return_unloaded(tx, order, RefundReason.NOT_LOADED_IN_TIME, now)
        return len(unused)

    def _take_up_forgotten(self) -> int:
        now = self._clock.now()
        with self._store.read() as tx:
            found = refund_rows.waiting(tx, now - FORGOTTEN, _SWEEP_LIMIT)
        lost = [
            refund
            for refund in found
            if refund.updated_at + refund.pause + FORGOTTEN < now and self._desk.reaches(refund.caller_id)
        ]
        if lost:
            with self._store.begin() as tx:
                for refund in lost:
                    refund.look_after(tx, now)
        return len(lost)


def return_unloaded(
    tx: Connection, order: TopupOrder, reason: RefundReason, now: datetime, actor: str = audit.PLATFORM
) -> TopupOrder:
    """Start the refund of an order that is proven not to be on its card.

    The caller holds the order's lock, without which no load of it is authorised. Raises NotRefundable: anything but PAID
    leaves open where the money is. Raises RefundNeedsTwoPeople.
    """
    if order.state is not TopupState.PAID or may_be_on_a_card(tx, order):
        raise NotRefundable(order.state)
    if reason is not RefundReason.FOUR_EYES and evidence.rests_on_weak_proof(tx, order.id):
        raise RefundNeedsTwoPeople
    started(tx, payments.of_order(tx, order.id), reason, now, actor)
    return order.step(tx, TopupEvent.REFUND_STARTED, now, {"reason": str(reason)})


def started(
    tx: Connection, payment: Payment, reason: RefundReason, now: datetime, actor: str = audit.PLATFORM
) -> Refund:
    """A refund of this payment under way: a new one, or the next round of one that was refused."""
    earlier = refund_rows.of_payment(tx, payment.id)
    if earlier is None:
        return _in_question_if_old(tx, refund_rows.start(tx, payment, reason, now, actor), payment)
    again = refund_rows.lock(tx, earlier.id).step(tx, RefundEvent.STARTED_AGAIN, now, actor)
    again.look_after(tx, now)
    return again


def card_not_made(tx: Connection, issuance_id: str, now: datetime) -> None:
    """An issuance was abandoned: its fee goes back, and the first load that was paid with it, which is never loaded now."""
    first_load = orders.of_issuance(tx, issuance_id)
    if first_load is not None:
        order = orders.lock(tx, first_load.id).without_card(tx, now)
        if order.state is TopupState.PAID:
            return_unloaded(tx, order, RefundReason.CARD_NOT_MADE, now)
    fee = payments.find_of_order(tx, issuance_id)
    if fee is not None and refund_rows.of_payment(tx, fee.id) is None:
        started(tx, fee, RefundReason.CARD_NOT_MADE, now)


def _in_question_if_old(tx: Connection, new: Refund, payment: Payment) -> Refund:
    """A fee or surplus that was paid before a restore may have gone back before it, under a key that is forgotten.

    An order's own money was looked after by people before it could be given back.
    """
    restore = restores.after(tx, payment.paid_at)
    if restore is None or refund_rows.returns_an_order(payment):
        return new
    return new.in_question(tx, restore.id)


def may_be_on_a_card(tx: Connection, order: TopupOrder) -> bool:
    """Whether a MAC2 of this order is out, or was ever left undecided or proven, or disproven by mistake."""
    maybe = attempts.states_of(tx, order.id) & (LIVE | {AttemptState.LOADED, AttemptState.GIVEN_UP})
    return bool(maybe) or evidence.denial_is_in_doubt(tx, order.id)


def _ending(tx: Connection, order: TopupOrder, event: RefundEvent) -> TopupEvent:
    if event is RefundEvent.CONFIRMED:
        return TopupEvent.REFUND_DONE
    if order.is_in_question or may_be_on_a_card(tx, order):
        return TopupEvent.REFUND_FAILED_UNPROVEN
    return TopupEvent.REFUND_FAILED


def _wait(tx: Connection, refund: Refund, event: RefundEvent, now: datetime) -> None:
    refund = refund.step(tx, event, now) if REFUND.allows(refund.state, event) else refund.asked(tx, now)
    refund.look_after(tx, now + refund.pause)


def _told(refund: Refund, payment: Payment) -> RefundOrder:
    return RefundOrder(
        caller_id=refund.caller_id,
        key=refund.key,
        order_id=refund.order_id,
        channel=payment.channel,
        trade_no=payment.trade_no,
        amount=refund.amount,
        reason=str(refund.reason),
    )


def _unused(tx: Connection, paid_before: datetime) -> list[str]:
    """Paid orders that nothing has happened to since, and whose refund was never tried."""
    theirs = and_(payment_table.c.order_id == topup_order.c.id, payment_table.c.surplus.is_(None))
    query = (
        select(topup_order.c.id)
        .join(payment_table, theirs)
        .outerjoin(refund_table, refund_table.c.payment_id == payment_table.c.id)
        .where(
            topup_order.c.state == TopupState.PAID,
            topup_order.c.updated_at < paid_before,
            refund_table.c.id.is_(None),
            topup_order.c.id.not_in(evidence.of_weak_proof()),
        )
        .order_by(topup_order.c.updated_at, topup_order.c.id)
        .limit(_SWEEP_LIMIT)
    )
    return list(tx.execute(query).scalars())
