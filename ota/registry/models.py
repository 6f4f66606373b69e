"""The rows of the registry: cards, and the numbers that they bear."""

from sqlalchemy import CheckConstraint, Column, Index, Integer, String, Table, text

from ota.registry.states import CardState, NumberState
from ota.store.schema import metadata
from ota.store.types import UtcDateTime, choice

_ON_AN_ELEMENT = text("se_id IS NOT NULL AND state <> 'closed'")

card = Table(
    "card",
    metadata,
    Column("card_no", String(19), primary_key=True),
    Column("city", String(4), nullable=False),
    Column("product", String(64), nullable=True),  # None: a card that another issuer made
    Column("state", choice(CardState), nullable=False),
    Column("se_id", String(128), nullable=True),
    Column("wallet_id", String(64), nullable=True),
    Column(
        "last_atc", Integer, nullable=True
    ),  # what the next INITIALIZE FOR LOAD must show; None: never seen
    Column("frozen_reason", String(64), nullable=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    CheckConstraint("last_atc BETWEEN 0 AND 65536", name="atc_range"),
    Index(
        "uq_card_element",
        "wallet_id",
        "se_id",
        "product",
        unique=True,
        sqlite_where=_ON_AN_ELEMENT,
        postgresql_where=_ON_AN_ELEMENT,
    ),
)

card_number = Table(
    "card_number",
    metadata,
    Column("card_no", String(19), primary_key=True),
    Column("city", String(4), nullable=False),
    Column("state", choice(NumberState), nullable=False),
    Column("order_id", String(40), nullable=True, unique=True),
    Column("updated_at", UtcDateTime, nullable=False),
    Index("ix_card_number_free", "city", "state", "card_no"),
)
