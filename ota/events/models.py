"""The rows of events: what happened, its place in the wallet's feed and its delivery, and how the wallet's server does."""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    UniqueConstraint,
    text,
)

from ota.events.states import DeliveryState
from ota.store.append_only import append_only
from ota.store.schema import metadata
from ota.store.types import Json, RowId, UtcDateTime, choice

_WAITING = text("state = 'waiting'")
_GIVEN_UP = text("state = 'given_up'")

wallet_event = append_only(
    Table(
        "wallet_event",
        metadata,
        Column("row", RowId, primary_key=True),
        Column("id", String(40), nullable=False, unique=True),
        Column("caller_id", String(64), nullable=False),
        Column("card_no", String(19), nullable=False),
        Column("kind", String(48), nullable=False),
        Column("data", Json, nullable=False),
        Column("at", UtcDateTime, nullable=False, index=True),
        Index(None, "caller_id", "card_no", "row"),
    )
)
"""Written with the step that it tells of."""

wallet_delivery = Table(
    "wallet_delivery",
    metadata,
    Column("event_row", ForeignKey("wallet_event.row"), primary_key=True, autoincrement=False),
    Column("caller_id", String(64), nullable=False),
    Column("position", BigInteger, nullable=False),  # in the wallet's feed: 1, 2, 3 …
    Column("card_no", String(19), nullable=False),
    Column("card_position", Integer, nullable=False),  # among the events of this card that the wallet gets
    Column("state", choice(DeliveryState), nullable=False),
    Column("tries", Integer, nullable=False),
    Column("last_error", String(64), nullable=True),
    Column("waiting_since", UtcDateTime, nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Column("sending_until", UtcDateTime, nullable=True),
    Column("ended_at", UtcDateTime, nullable=True),
    UniqueConstraint("caller_id", "position"),
    UniqueConstraint("caller_id", "card_no", "card_position"),
    Index("ix_wallet_delivery_waiting", "due_at", sqlite_where=_WAITING, postgresql_where=_WAITING),
    Index("ix_wallet_delivery_given_up", "caller_id", sqlite_where=_GIVEN_UP, postgresql_where=_GIVEN_UP),
)
"""Written a moment later, under the lock of the feed: see `ota.events.deliveries`."""

wallet_feed = Table(
    "wallet_feed",
    metadata,
    Column("caller_id", String(64), primary_key=True),
    Column("position", BigInteger, nullable=False),  # the last that was given
    Column("failures", Integer, nullable=False),  # in a row, of the wallet's server as a whole
    Column("paused_until", UtcDateTime, nullable=True),
)
