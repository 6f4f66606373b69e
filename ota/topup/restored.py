"""Top-ups after the database was restored: whose money is in question, and what people may say of it.

Between the backup and the restore an order may have been loaded or paid back, and nothing here remembers it: the card, the
wallet and its receipts do. So its money waits for two people, as does a payment of that time that is told of again.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, select

from ota.core.errors import Conflict, NextAction, NotInThisState
from ota.ledger import books, journals
from ota.store import restores
from ota.store.restores import Restore
from ota.topup import attempts, evidence, orders, payments, refund_rows, refunds, settlement
from ota.topup.models import load_attempt, refund, topup_order
from ota.topup.orders import TopupOrder
from ota.topup.states import (
    ATTEMPT,
    LIVE,
    OPEN,
    PENDING,
    TOPUP,
    AttemptEvent,
    TopupEvent,
    TopupState,
)

_OPEN_MONEY: Final = (
    TopupState.PAID,
    TopupState.LOADING,
    TopupState.UNCERTAIN,
    TopupState.REFUNDING,
    TopupState.HELD,
)
"""States in which money was captured whose place may have become final after the backup."""


class PaidBeforeRestore(Conflict):
    """A card was ordered with a payment of before the restore: it may have been made, and be forgotten."""

    code = "paid_before_restore"
    next_action = NextAction.CONTACT_SERVICE
    english = (
        "This was paid before the platform's database was restored: the card may be there already. Nothing is booked here; "
        "contact the service."
    )
    chinese = "该笔支付早于平台数据库恢复时间, 卡片可能已开通。本次未入账, 请联系客服。"


def put_in_question(tx: Connection, restore: Restore) -> dict[str, int]:
    """Hold every order whose money was open at the backup; attempts need more than a counter, refunds are asked about.

    Returns how many orders, attempts and refunds that is.
    """
    live = select(load_attempt.c.id).where(load_attempt.c.state.in_(LIVE)).order_by(load_attempt.c.id)
    attempt_ids = tx.execute(live).scalars().all()
    for attempt_id in attempt_ids:
        _doubt(tx, attempt_id, restore)
    waiting = select(topup_order.c.id).where(topup_order.c.state.in_(_OPEN_MONEY)).order_by(topup_order.c.id)
    order_ids = tx.execute(waiting).scalars().all()
    for order_id in order_ids:
        hold(tx, orders.lock(tx, order_id), restore)
    pending = select(refund.c.id).where(refund.c.state.in_(PENDING)).order_by(refund.c.id)
    refund_ids = tx.execute(pending).scalars().all()
    for refund_id in refund_ids:
        refund_rows.lock(tx, refund_id).in_question(tx, restore.id)
    return {"orders": len(order_ids), "attempts": len(attempt_ids), "refunds": len(refund_ids)}


def hold(tx: Connection, order: TopupOrder, restore: Restore) -> TopupOrder:
    """Put an order's money in question; it is held, unless it is on its way back or held already."""
    evidence.note(
        tx, order.id, None, evidence.RESTORED, {"restore": restore.id, "before": order.state}, restore.at
    )
    order = order.in_question(tx, restore.id)
    if not TOPUP.allows(order.state, TopupEvent.DATABASE_RESTORED):
        return order
    return order.step(tx, TopupEvent.DATABASE_RESTORED, restore.at, {"restore": restore.id})


def hold_if_old(tx: Connection, paid: TopupOrder, paid_at: datetime, now: datetime) -> TopupOrder:
    """Hold an order that was just paid with a payment of before a restore: it may have been loaded and be forgotten."""
    restore = restores.after(tx, paid_at)
    return paid if restore is None else hold(tx, paid, Restore(restore.id, restore.backup_at, now))


def require_after(tx: Connection, paid_at: datetime) -> None:
    """Raise PaidBeforeRestore for a payment that may have made a card which nothing here remembers."""
    if restores.after(tx, paid_at) is not None:
        raise PaidBeforeRestore


def is_held(order: TopupOrder) -> bool:
    """Whether the order is held because of a restore."""
    return order.state is TopupState.HELD and order.is_in_question


def require_held(order: TopupOrder, event: str) -> None:
    """Raise NotInThisState unless the order is held because of a restore."""
    if not is_held(order):
        raise NotInThisState("top-up", order.state, event)


def require_releasable(tx: Connection, order: TopupOrder) -> TopupEvent:
    """What releasing does to an order that a restore holds; raises NotInThisState.

    One that was held before the backup has more against it than the restore, and so has one with a load that people gave up.
    """
    require_held(order, TopupEvent.FOUND_UNUSED)
    if _was_held_before(tx, order):
        raise NotInThisState("top-up", order.state, TopupEvent.FOUND_UNUSED)
    live = attempts.live(tx, order.card)
    if live is not None and live.order_id == order.id and live.state in OPEN:
        return TopupEvent.RELEASED
    if refunds.may_be_on_a_card(tx, order):
        raise NotInThisState("top-up", order.state, TopupEvent.FOUND_UNUSED)
    return TopupEvent.FOUND_UNUSED


def book_loaded(
    tx: Connection, order: TopupOrder, decision: Mapping[str, object], now: datetime
) -> TopupOrder | None:
    """Book that the money is on the card: on the attempt that is known, or without one where it is forgotten."""
    live = attempts.live(tx, order.card)
    if live is not None and live.order_id == order.id:
        evidence.note(tx, order.id, live.id, evidence.CONFIRMED, decision, now)
        return settlement.book_loaded(tx, live, "four_eyes", now)
    evidence.note(tx, order.id, None, evidence.CONFIRMED, decision, now)
    evidence.note(tx, order.id, None, "four_eyes", decision, now)
    journals.post(tx, books.load_proven(payments.of_order(tx, order.id).money, order.id), now)
    return order.step(tx, TopupEvent.LOAD_PROVEN, now, decision)


def _doubt(tx: Connection, attempt_id: str, restore: Restore) -> None:
    """Another load may have taken the attempt's counter since: its MAC2 stays live, its counter alone proves nothing."""
    attempt = attempts.get(tx, attempt_id)
    mine = load_attempt.c.id == attempt_id
    tx.execute(load_attempt.update().where(mine).values(restore_id=restore.id))
    if ATTEMPT.allows(attempt.state, AttemptEvent.SILENT):
        attempt.step(tx, AttemptEvent.SILENT, restore.at)


def _was_held_before(tx: Connection, order: TopupOrder) -> bool:
    told = evidence.data_of(tx, order.id, evidence.RESTORED)
    return any(data["before"] == TopupState.HELD for data in told)
