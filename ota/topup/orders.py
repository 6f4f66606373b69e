"""Top-up orders as rows: read, lock, step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, Row, select

from ota.core.errors import NotFound
from ota.core.principal import Principal
from ota.core.values import CardNumber, CityCode, Fen
from ota.store import history
from ota.topup import news
from ota.topup.models import topup_order
from ota.topup.states import TOPUP, TopupEvent, TopupState

_LEAVE_OPEN: Final = frozenset({TopupEvent.DATABASE_RESTORED, TopupEvent.REFUND_FAILED_UNPROVEN})
"""Steps after which it is as open as before what became of the money since the backup."""


@dataclass(frozen=True, slots=True)
class TopupOrder:
    """One order: an amount for a card, and where its money is."""

    id: str
    caller_id: str
    idempotency_key: str
    card: CardNumber
    city: CityCode
    amount: Fen
    state: TopupState
    issuance_id: str | None
    created_at: datetime
    restore_id: str | None = None
    """The restore of the database that left open what became of its money; None once that is known again."""
    no_card_since: datetime | None = None
    """Since when it is known that its issuance makes no card; None: the card is there, or is coming."""

    @property
    def is_without_card(self) -> bool:
        """Whether its money can only go back: no card will ever bear its number for this order."""
        return self.no_card_since is not None

    @property
    def is_in_question(self) -> bool:
        """Whether only people may say what becomes of its money: what happened since the backup is known outside."""
        return self.restore_id is not None

    def in_question(self, tx: Connection, restore_id: str) -> TopupOrder:
        """Put the order's money in question by a restore; a step by evidence or by two people ends that.

        The caller holds the row's lock.
        """
        tx.execute(topup_order.update().where(topup_order.c.id == self.id).values(restore_id=restore_id))
        return replace(self, restore_id=restore_id)

    def without_card(self, tx: Connection, now: datetime) -> TopupOrder:
        """Note that its issuance made no card; nothing ends that. The caller holds the row's lock."""
        if self.no_card_since is not None:
            return self
        tx.execute(topup_order.update().where(topup_order.c.id == self.id).values(no_card_since=now))
        return replace(self, no_card_since=now)

    def step(
        self, tx: Connection, event: TopupEvent, now: datetime, detail: Mapping[str, object] | None = None
    ) -> TopupOrder:
        """Take one step of the state machine and write it into the history; raises NotInThisState.

        The caller holds the row's lock.
        """
        after = TOPUP.after(self.state, event)
        restore_id = self.restore_id if event in _LEAVE_OPEN else None
        changes = {"state": after, "restore_id": restore_id, "updated_at": now}
        tx.execute(topup_order.update().where(topup_order.c.id == self.id).values(changes))
        history.record(
            tx,
            kind="topup",
            subject_id=self.id,
            before=self.state,
            event=event,
            after=after,
            at=now,
            detail=detail,
        )
        news.tell(tx, self, event, after, now)
        return replace(self, state=after, restore_id=restore_id)


def insert(tx: Connection, order: TopupOrder) -> None:
    """Write a new order."""
    tx.execute(
        topup_order.insert().values(
            id=order.id,
            caller_id=order.caller_id,
            idempotency_key=order.idempotency_key,
            card_no=order.card.digits,
            city=order.city.code,
            amount_fen=order.amount.amount,
            state=order.state,
            issuance_id=order.issuance_id,
            created_at=order.created_at,
            updated_at=order.created_at,
        )
    )
    history.record(
        tx,
        kind="topup",
        subject_id=order.id,
        before=None,
        event="created",
        after=order.state,
        at=order.created_at,
    )


def get(tx: Connection, order_id: str) -> TopupOrder:
    """The order; raises NotFound."""
    return _one(tx.execute(select(topup_order).where(topup_order.c.id == order_id)).one_or_none())


def find(tx: Connection, order_id: str) -> TopupOrder | None:
    """The order, or None."""
    row = tx.execute(select(topup_order).where(topup_order.c.id == order_id)).one_or_none()
    return _order(row) if row is not None else None


def lock(tx: Connection, order_id: str) -> TopupOrder:
    """The order with its row locked until the phase ends; raises NotFound."""
    query = select(topup_order).where(topup_order.c.id == order_id).with_for_update()
    return _one(tx.execute(query).one_or_none())


def by_key(tx: Connection, caller_id: str, key: str) -> TopupOrder | None:
    """The order that this caller made with this Idempotency-Key, or None."""
    row = tx.execute(
        select(topup_order).where(topup_order.c.caller_id == caller_id, topup_order.c.idempotency_key == key)
    ).one_or_none()
    return _order(row) if row is not None else None


def of_issuance(tx: Connection, issuance_id: str) -> TopupOrder | None:
    """The first load that was ordered with an issuance, or None."""
    row = tx.execute(select(topup_order).where(topup_order.c.issuance_id == issuance_id)).one_or_none()
    return _order(row) if row is not None else None


def is_named(tx: Connection, card: CardNumber) -> bool:
    """Whether any order, whatever became of it, is for this number."""
    named = select(topup_order.c.id).where(topup_order.c.card_no == card.digits)
    return tx.execute(named.limit(1)).scalar() is not None


def own(order: TopupOrder, caller: Principal) -> TopupOrder:
    """The order if it is the caller's; raises NotFound."""
    if order.caller_id != caller.id:
        raise NotFound
    return order


def unfinished(tx: Connection, card: CardNumber) -> list[TopupOrder]:
    """The card's orders whose money is paid and not in the purse yet, oldest first; not those that made no card."""
    waiting = (TopupState.PAID, TopupState.LOADING, TopupState.UNCERTAIN)
    rows = tx.execute(
        select(topup_order)
        .where(
            topup_order.c.card_no == card.digits,
            topup_order.c.state.in_(waiting),
            topup_order.c.no_card_since.is_(None),
        )
        .order_by(topup_order.c.created_at, topup_order.c.id)
    )
    return [_order(row) for row in rows]


def _one(row: Row[tuple[object, ...]] | None) -> TopupOrder:
    if row is None:
        raise NotFound
    return _order(row)


def _order(row: Row[tuple[object, ...]]) -> TopupOrder:
    return TopupOrder(
        id=row.id,
        caller_id=row.caller_id,
        idempotency_key=row.idempotency_key,
        card=CardNumber(row.card_no),
        city=CityCode(row.city),
        amount=Fen(row.amount_fen),
        state=TopupState(row.state),
        issuance_id=row.issuance_id,
        created_at=row.created_at,
        restore_id=row.restore_id,
        no_card_since=row.no_card_since,
    )
