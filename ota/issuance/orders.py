"""Issuance orders as rows: read, lock, step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final

from sqlalchemy import Connection, Row, select

from ota.core.errors import NotFound
from ota.core.ids import new_id
from ota.core.values import CardNumber, CityCode, Fen
from ota.events import feed
from ota.events.feed import News
from ota.issuance.models import issuance_order, issuance_step
from ota.issuance.states import FINAL, ISSUANCE, IssuanceEvent, IssuanceState
from ota.store import history
from ota.store.restores import Restore

_TOLD: Final = FINAL | {IssuanceState.UNCERTAIN}
"""What the wallet is told; the steps in between its own phone has reported."""


@dataclass(frozen=True, slots=True)
class IssuanceOrder:
    """One blank card for one element. ``issued_on`` is the local day that is written into the card."""

    id: str
    caller_id: str
    idempotency_key: str
    city: CityCode
    product: str
    se_id: str
    card: CardNumber
    state: IssuanceState
    fee: Fen
    first_load_id: str | None
    request_digest: str
    issued_on: date
    created_at: datetime
    chip: bytes | None = None
    """The key diversification data of the element that is written to; None until it has answered."""
    claimed_chip: bytes | None = None
    """What a batch was predicted for that nobody has told of yet."""
    restore_id: str | None = None
    """The restore of the database that left open what the element holds by now."""

    @property
    def is_in_question(self) -> bool:
        """Whether the card may be there already, or its number on another one: then nothing is written or removed."""
        return self.restore_id is not None

    def step(
        self, tx: Connection, event: IssuanceEvent, now: datetime, detail: Mapping[str, object] | None = None
    ) -> IssuanceOrder:
        """Take one step of the state machine and write it into the history; raises NotInThisState."""
        after = ISSUANCE.after(self.state, event)
        tx.execute(
            issuance_order.update().where(issuance_order.c.id == self.id).values(state=after, updated_at=now)
        )
        history.record(
            tx,
            kind="issuance",
            subject_id=self.id,
            before=self.state,
            event=event,
            after=after,
            at=now,
            detail=detail,
        )
        if after in _TOLD:
            data = {"order_id": self.id, "state": str(after), "why": str(event)}
            feed.tell(tx, News(self.caller_id, self.card, f"issuance.{after}", data), now)
        return replace(self, state=after)


def insert(tx: Connection, order: IssuanceOrder) -> None:
    """Write a new order."""
    tx.execute(
        issuance_order.insert().values(
            id=order.id,
            caller_id=order.caller_id,
            idempotency_key=order.idempotency_key,
            city=order.city.code,
            product=order.product,
            se_id=order.se_id,
            card_no=order.card.digits,
            state=order.state,
            fee_fen=order.fee.amount,
            first_load_id=order.first_load_id,
            request_digest=order.request_digest,
            issued_on=f"{order.issued_on:%Y%m%d}",
            created_at=order.created_at,
            updated_at=order.created_at,
        )
    )


def get(tx: Connection, order_id: str) -> IssuanceOrder:
    """The order; raises NotFound."""
    return _one(tx.execute(select(issuance_order).where(issuance_order.c.id == order_id)).one_or_none())


def lock(tx: Connection, order_id: str) -> IssuanceOrder:
    """The order with its row locked until the phase ends; raises NotFound."""
    query = select(issuance_order).where(issuance_order.c.id == order_id).with_for_update()
    return _one(tx.execute(query).one_or_none())


def by_key(tx: Connection, caller_id: str, key: str) -> IssuanceOrder | None:
    """The order that this caller made with this Idempotency-Key, or None."""
    row = tx.execute(
        select(issuance_order).where(
            issuance_order.c.caller_id == caller_id, issuance_order.c.idempotency_key == key
        )
    ).one_or_none()
    return _order(row) if row is not None else None


def unfinished(tx: Connection, caller_id: str, se_id: str) -> list[IssuanceOrder]:
    """A wallet's orders for an element that are neither active nor abandoned."""
    rows = tx.execute(
        select(issuance_order)
        .where(
            issuance_order.c.caller_id == caller_id,
            issuance_order.c.se_id == se_id,
            issuance_order.c.state.not_in(FINAL),
        )
        .order_by(issuance_order.c.created_at, issuance_order.c.id)
    )
    return [_order(row) for row in rows]


def put_in_question(tx: Connection, restore: Restore) -> int:
    """Stop every order that is neither active nor abandoned: its next contact only looks. Returns how many."""
    waiting = (
        select(issuance_order.c.id).where(issuance_order.c.state.not_in(FINAL)).order_by(issuance_order.c.id)
    )
    ids = tx.execute(waiting).scalars().all()
    for order_id in ids:
        order = lock(tx, order_id)
        mine = issuance_order.c.id == order_id
        tx.execute(issuance_order.update().where(mine).values(restore_id=restore.id))
        note(tx, order_id, "database_restored", {"restore": restore.id, "before": order.state}, restore.at)
        if ISSUANCE.allows(order.state, IssuanceEvent.CONTACT_LOST):
            order.step(tx, IssuanceEvent.CONTACT_LOST, restore.at, {"restore": restore.id})
    return len(ids)


def note(tx: Connection, order_id: str, step: str, data: Mapping[str, object], now: datetime) -> None:
    """Keep what happened on the element: append-only, never key data or card contents."""
    tx.execute(
        issuance_step.insert().values(id=new_id("stp"), order_id=order_id, step=step, data=dict(data), at=now)
    )


def was_on_the_element(tx: Connection, order_id: str) -> bool:
    """Whether a batch for this order may ever have reached the element."""
    return (
        tx.execute(select(issuance_step.c.id).where(issuance_step.c.order_id == order_id).limit(1)).scalar()
        is not None
    )


def _one(row: Row[tuple[object, ...]] | None) -> IssuanceOrder:
    if row is None:
        raise NotFound
    return _order(row)


def _order(row: Row[tuple[object, ...]]) -> IssuanceOrder:
    return IssuanceOrder(
        id=row.id,
        caller_id=row.caller_id,
        idempotency_key=row.idempotency_key,
        city=CityCode(row.city),
        product=row.product,
        se_id=row.se_id,
        card=CardNumber(row.card_no),
        state=IssuanceState(row.state),
        fee=Fen(row.fee_fen),
        first_load_id=row.first_load_id,
        request_digest=row.request_digest,
        issued_on=date.fromisoformat(row.issued_on),
        created_at=row.created_at,
        chip=_chip(row.chip),
        claimed_chip=_chip(row.claimed_chip),
        restore_id=row.restore_id,
    )


def _chip(kept: str | None) -> bytes | None:
    return bytes.fromhex(kept) if kept is not None else None
