"""What is in suspense or owed back: each item with its age, its reason and whoever must act."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import Any, Final

from sqlalchemy import Connection, Row, and_, or_, select

from ota.issuance.models import issuance_order
from ota.topup.models import payment, refund, topup_order
from ota.topup.states import PENDING, PaymentPurpose, RefundState, TopupState

_WAITING: Final = {
    TopupState.PAID: ("waits_for_its_card", "wallet"),
    TopupState.LOADING: ("load_under_way", "platform"),
    TopupState.UNCERTAIN: ("load_uncertain", "next_contact"),
    TopupState.HELD: ("held_for_integrity", "service_desk"),
}
"""Orders whose money is in suspense: why, and who acts next."""

_RESTORED: Final = ("held_after_restore", "service_desk")
_REFUSED: Final = ("refund_refused", "service_desk")


@dataclass(frozen=True, slots=True)
class Item:
    """Money whose place is not final: ``account`` is suspense or refund_payable."""

    payment_id: str
    order_id: str
    city: str
    account: str
    amount_fen: int
    reason: str
    owner: str
    since: datetime

    def age(self, now: datetime) -> timedelta:
        """How long the platform has had the money."""
        return now - self.since


def items(tx: Connection) -> list[Item]:
    """Everything that waits, oldest first; reads only what is open, by partial indexes."""
    return _oldest_first(_orders(tx), _refunds(tx), _surplus(tx), _fees(tx))


def all_items(tx: Connection) -> list[Item]:
    """What waits, and what should wait for something that is not there: for that every payment is looked at."""
    return _oldest_first(items(tx), _without_an_order(tx))


def _oldest_first(*found: Iterable[Item]) -> list[Item]:
    return sorted(chain(*found), key=lambda item: (item.since, item.payment_id))


def _orders(tx: Connection) -> Iterator[Item]:
    theirs = and_(payment.c.order_id == topup_order.c.id, payment.c.surplus.is_(None))
    rows = tx.execute(
        select(
            payment,
            topup_order.c.state.label("order_state"),
            topup_order.c.restore_id,
            topup_order.c.no_card_since,
        )
        .join(topup_order, theirs)
        .where(topup_order.c.state.in_(list(_WAITING)))
    )
    for row in rows:
        yield _item(row, "suspense", *_why_an_order_waits(row))


def _why_an_order_waits(row: Row[Any]) -> tuple[str, str]:
    if row.order_state is TopupState.HELD and row.restore_id is not None:
        return _RESTORED
    if row.order_state is TopupState.PAID and row.no_card_since is not None:
        return _REFUSED  # it waits for no card: there is none
    return _WAITING[row.order_state]


def _refunds(tx: Connection) -> Iterator[Item]:
    rows = tx.execute(
        select(payment, refund.c.state.label("refund_state"), refund.c.reason)
        .join(refund, refund.c.payment_id == payment.c.id)
        .where(refund.c.state != RefundState.DONE)
    ).all()
    for row in rows:
        if row.refund_state in PENDING:
            stuck = row.refund_state is RefundState.REQUESTED
            yield _item(
                row, "refund_payable", f"refund_{row.refund_state}", "service_desk" if stuck else "wallet"
            )
        elif row.surplus is not None or row.purpose is PaymentPurpose.FEE:
            yield _item(row, "suspense", *_REFUSED)


def _surplus(tx: Connection) -> Iterator[Item]:
    """Surplus money without a refund: there should be none, so it is shown."""
    rows = tx.execute(
        select(payment)
        .outerjoin(refund, refund.c.payment_id == payment.c.id)
        .where(payment.c.surplus.is_not(None), refund.c.id.is_(None))
    )
    for row in rows:
        yield _item(row, "suspense", f"surplus_{row.surplus}", "platform")


def _fees(tx: Connection) -> Iterator[Item]:
    rows = tx.execute(
        select(payment)
        .join(issuance_order, issuance_order.c.id == payment.c.order_id)
        .outerjoin(refund, refund.c.payment_id == payment.c.id)
        .where(issuance_order.c.state != "active", refund.c.id.is_(None))
    )
    for row in rows:
        yield _item(row, "suspense", "card_not_issued_yet", "wallet")


def _without_an_order(tx: Connection) -> Iterator[Item]:
    """Money whose order is gone, or says that it was never paid: there should be none, so it is shown."""
    unpaid = (TopupState.CREATED, TopupState.CLOSED)
    order_lost = or_(topup_order.c.id.is_(None), topup_order.c.state.in_(unpaid))
    rows = tx.execute(
        select(payment)
        .outerjoin(topup_order, topup_order.c.id == payment.c.order_id)
        .outerjoin(issuance_order, issuance_order.c.id == payment.c.order_id)
        .outerjoin(refund, refund.c.payment_id == payment.c.id)
        .where(payment.c.surplus.is_(None), refund.c.id.is_(None), issuance_order.c.id.is_(None), order_lost)
    )
    for row in rows:
        yield _item(row, "suspense", "order_missing", "platform")


def totals(found: Sequence[Item], now: datetime) -> dict[tuple[str, str], tuple[int, float]]:
    """By city and reason: the sum in fen, and the age of the oldest in seconds."""
    summed: dict[tuple[str, str], tuple[int, float]] = {}
    for item in found:
        amount, oldest = summed.get((item.city, item.reason), (0, 0.0))
        summed[item.city, item.reason] = (
            amount + item.amount_fen,
            max(oldest, item.age(now).total_seconds()),
        )
    return summed


def _item(row: Row[Any], account: str, reason: str, owner: str) -> Item:
    return Item(row.id, row.order_id, row.city, account, row.amount_fen, reason, owner, row.taken_at)
