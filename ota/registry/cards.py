"""The cards: which one sits on which element, whose it is, and what its online counter must show next."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, Row, select

from ota.core.errors import Conflict, NextAction
from ota.core.values import CardNumber, CityCode
from ota.events import feed
from ota.events.feed import News
from ota.registry.models import card
from ota.registry.states import CARD, CardEvent, CardState
from ota.store import audit, history
from ota.store.audit import Entry
from ota.store.inserts import insert_or_skip


class CardNotUsable(Conflict):
    """The card is frozen, suspended, moving or closed."""

    code = "card_not_usable"
    next_action = NextAction.CONTACT_SERVICE

    def __init__(self, state: CardState) -> None:
        super().__init__(
            code=f"card_{state}",
            english=f"This card is {state} and takes no load now.",
            chinese=f"该卡当前状态为 {state}, 不能充值。",
            details={"state": str(state)},
        )


@dataclass(frozen=True, slots=True)
class Card:
    """One card as the registry knows it. ``last_atc`` is None for a card that was never seen."""

    number: CardNumber
    city: CityCode
    product: str | None
    state: CardState
    se_id: str | None
    wallet_id: str | None
    last_atc: int | None
    frozen_reason: str | None

    def require_usable(self) -> None:
        """Raise CardNotUsable unless the card is active."""
        if self.state is not CardState.ACTIVE:
            raise CardNotUsable(self.state)

    def belongs_to(self, wallet_id: str) -> bool:
        """Whether this wallet may act for the card; a card that another issuer made belongs to nobody here."""
        return self.wallet_id in (None, wallet_id)


def find(tx: Connection, number: CardNumber) -> Card | None:
    """The card, or None if the platform has never seen it."""
    row = tx.execute(select(card).where(card.c.card_no == number.digits)).one_or_none()
    return _card(row) if row is not None else None


def on_element(tx: Connection, wallet_id: str, se_id: str) -> list[Card]:
    """Every card that lives on an element of a wallet; an element's name is its wallet's word."""
    rows = tx.execute(
        select(card)
        .where(card.c.wallet_id == wallet_id, card.c.se_id == se_id, card.c.state != CardState.CLOSED)
        .order_by(card.c.card_no)
    )
    return [_card(row) for row in rows]


def is_on(tx: Connection, number: CardNumber, wallet_id: str, se_id: str) -> bool:
    """Whether this card lives on this element of a wallet: it was not closed, and has not moved to another one."""
    query = select(card.c.card_no).where(
        card.c.card_no == number.digits,
        card.c.wallet_id == wallet_id,
        card.c.se_id == se_id,
        card.c.state != CardState.CLOSED,
    )
    return tx.execute(query).scalar() is not None


def lock(tx: Connection, number: CardNumber, city: CityCode, now: datetime) -> Card:
    """The card with its row locked until the phase ends: the mutex of everything that loads it.

    A card that the platform has never seen gets its row here.
    """
    query = select(card).where(card.c.card_no == number.digits).with_for_update()
    row = tx.execute(query).one_or_none()
    if row is None:
        _insert(tx, number, city, now)
        row = tx.execute(query).one()
    return _card(row)


def bind(
    tx: Connection,
    number: CardNumber,
    city: CityCode,
    product: str,
    se_id: str,
    wallet_id: str,
    now: datetime,
) -> None:
    """Enter a card that has proven itself; the table allows one of a product per element. Its counter: `saw_counter`."""
    known = lock(tx, number, city, now)
    tx.execute(
        card.update()
        .where(card.c.card_no == number.digits)
        .values(product=product, se_id=se_id, wallet_id=wallet_id, updated_at=now)
    )
    history.record(
        tx,
        kind="card",
        subject_id=number.digits,
        before=known.state,
        event="issued",
        after=known.state,
        at=now,
    )


def saw_counter(tx: Connection, number: CardNumber, next_atc: int, now: datetime) -> None:
    """Keep what the online counter must show next time."""
    tx.execute(card.update().where(card.c.card_no == number.digits).values(last_atc=next_atc, updated_at=now))


def believe_next(tx: Connection, number: CardNumber, now: datetime) -> None:
    """Believe the card's next verified counter, whatever it is: people said what the last one could not tell."""
    tx.execute(card.update().where(card.c.card_no == number.digits).values(last_atc=None, updated_at=now))


def freeze(tx: Connection, known: Card, reason: str, now: datetime) -> None:
    """Take a card out of service until a person has looked; a frozen one learns another reason, the same changes nothing."""
    is_told = known.state is CardState.FROZEN and known.frozen_reason == reason
    if is_told or not CARD.allows(known.state, CardEvent.ALARMED):
        return
    after = CARD.after(known.state, CardEvent.ALARMED)
    tx.execute(
        card.update()
        .where(card.c.card_no == known.number.digits)
        .values(state=after, frozen_reason=reason, updated_at=now)
    )
    history.record(
        tx,
        kind="card",
        subject_id=known.number.digits,
        before=known.state,
        event=CardEvent.ALARMED,
        after=after,
        at=now,
        detail={"reason": reason},
    )
    # A stream shows no card number: its end is enough to find the card by what else happened at that moment.
    _tell(tx, known, after, reason, now)
    data = {"reason": reason, "expected": known.last_atc}
    audit.append(tx, Entry(audit.CARDS, audit.PLATFORM, "card_frozen", known.number.masked, data, now))


def release(tx: Connection, known: Card, now: datetime, actor: str) -> Card:
    """Take a frozen card back into service: its next verified counter is believed. Raises NotInThisState."""
    after = CARD.after(known.state, CardEvent.RELEASED)
    tx.execute(
        card.update()
        .where(card.c.card_no == known.number.digits)
        .values(state=after, frozen_reason=None, last_atc=None, updated_at=now)
    )
    history.record(
        tx,
        kind="card",
        subject_id=known.number.digits,
        before=known.state,
        event=CardEvent.RELEASED,
        after=after,
        at=now,
        detail={"by": actor},
    )
    _tell(tx, known, after, known.frozen_reason, now)
    data = {"reason": known.frozen_reason}
    audit.append(tx, Entry(audit.CARDS, actor, "card_released", known.number.masked, data, now))
    return replace(known, state=after, frozen_reason=None, last_atc=None)


def _tell(tx: Connection, known: Card, after: CardState, reason: str | None, now: datetime) -> None:
    """Tell the wallet whose card it is; a card that another issuer made belongs to no wallet here."""
    if known.wallet_id is None:
        return
    kind = "card.frozen" if after is CardState.FROZEN else "card.released"
    data = {"state": str(after), "reason": reason, "se_id": known.se_id}
    feed.tell(tx, News(known.wallet_id, known.number, kind, data), now)


def _insert(tx: Connection, number: CardNumber, city: CityCode, now: datetime) -> None:
    inserted = tx.execute(
        insert_or_skip(tx, card).values(
            card_no=number.digits, city=city.code, state=CardState.ACTIVE, created_at=now, updated_at=now
        )
    )
    if inserted.rowcount == 1:
        history.record(
            tx,
            kind="card",
            subject_id=number.digits,
            before=None,
            event="first_seen",
            after=CardState.ACTIVE,
            at=now,
        )


def _card(row: Row[tuple[object, ...]]) -> Card:
    return Card(
        number=CardNumber(row.card_no),
        city=CityCode(row.city),
        product=row.product,
        state=CardState(row.state),
        se_id=row.se_id,
        wallet_id=row.wallet_id,
        last_atc=row.last_atc,
        frozen_reason=row.frozen_reason,
    )
