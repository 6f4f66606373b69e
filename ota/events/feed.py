"""Writes events beside the steps that they tell of, and reads a wallet's feed.

An event is one row in the transaction of its step, so it is there exactly if the step is. Its place in the feed is given
afterwards, by `ota.events.deliveries`: a place that is given inside of many transactions at once would either let a reader
see the second before the first, or make every order of a wallet wait for every other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Row, Select, literal, select

from ota.core.errors import NotFound
from ota.core.ids import new_id
from ota.core.principal import CallerKind
from ota.core.values import CardNumber
from ota.events.jobs import TELL_WALLET
from ota.events.models import wallet_delivery, wallet_event
from ota.store import outbox
from ota.store.callers import caller


@dataclass(frozen=True, slots=True)
class News:
    """Something that a wallet wants to know: ``kind`` such as ``topup.loaded``, ``data`` without secrets or card numbers."""

    caller_id: str
    card: CardNumber
    kind: str
    data: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Event:
    """News with its places: ``position`` in the wallet's feed, ``card_position`` among those of its card."""

    id: str
    news: News
    at: datetime
    position: int
    card_position: int

    @property
    def view(self) -> dict[str, object]:
        """The event as wallets see it; its card by the first and last digits."""
        return {
            "event_id": self.id,
            "position": self.position,
            "card_position": self.card_position,
            "kind": self.news.kind,
            "card_no": self.news.card.masked,
            "at": self.at.isoformat(),
            "data": dict(self.news.data),
        }


def tell(tx: Connection, news: News, now: datetime) -> None:
    """Write an event and stage its delivery, in the transaction of the step; nothing where no wallet listens.

    Terminals and staff have no feed: they see what they do.
    """
    event_id = new_id("evt")
    values: dict[str, object] = {
        "id": event_id,
        "caller_id": news.caller_id,
        "card_no": news.card.digits,
        "kind": news.kind,
        "data": dict(news.data),
        "at": now,
    }
    row = select(*(literal(value, wallet_event.c[name].type) for name, value in values.items())).where(
        caller.c.id == news.caller_id, caller.c.kind == CallerKind.WALLET
    )
    insert = wallet_event.insert().from_select(list(values), row, include_defaults=False)
    if tx.execute(insert.execution_options(preserve_rowcount=True)).rowcount == 1:
        outbox.stage(tx, TELL_WALLET, event_id, due_at=now)


def page(tx: Connection, caller_id: str, after: int, limit: int) -> list[Event]:
    """The events of a feed that follow a position, in order, without gaps."""
    query = (
        _placed()
        .where(wallet_delivery.c.caller_id == caller_id, wallet_delivery.c.position > after)
        .order_by(wallet_delivery.c.position)
        .limit(limit)
    )
    return [_event(row) for row in tx.execute(query)]


def get(tx: Connection, event_id: str) -> Event:
    """An event that has its place."""
    return _event(tx.execute(_placed().where(wallet_event.c.id == event_id)).one())


def owner(tx: Connection, event_id: str) -> str:
    """Whose event it is; raises NotFound."""
    caller_id = tx.execute(select(wallet_event.c.caller_id).where(wallet_event.c.id == event_id)).scalar()
    if caller_id is None:
        raise NotFound
    return str(caller_id)


def _placed() -> Select[tuple[object, ...]]:
    return select(wallet_event, wallet_delivery.c.position, wallet_delivery.c.card_position).join(
        wallet_delivery, wallet_delivery.c.event_row == wallet_event.c.row
    )


def _event(row: Row[tuple[object, ...]]) -> Event:
    news = News(row.caller_id, CardNumber(row.card_no), row.kind, row.data)
    return Event(row.id, news, row.at, row.position, row.card_position)
