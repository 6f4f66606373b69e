"""The rows of issuance: orders, the steps they took, and failed openings of a security domain."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    Integer,
    String,
    Table,
    UniqueConstraint,
    text,
)

from ota.issuance.states import IssuanceState
from ota.store.append_only import append_only
from ota.store.schema import metadata
from ota.store.types import Json, UtcDateTime, choice

_OPEN = text("state NOT IN ('active', 'abandoned')")
_NOT_ABANDONED = text("state <> 'abandoned'")
_PINNED = text("chip IS NOT NULL")

issuance_order = Table(
    "issuance_order",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("caller_id", String(64), nullable=False),
    Column("idempotency_key", String(255), nullable=False),
    Column("city", String(4), nullable=False),
    Column("product", String(64), nullable=False),
    Column("se_id", String(128), nullable=False),
    Column("chip", String(20), nullable=True),  # key diversification data of the element that is written to
    Column(
        "claimed_chip", String(20), nullable=True
    ),  # predicted to be that element, and it has not answered yet
    Column("card_no", String(19), nullable=False),
    Column("state", choice(IssuanceState), nullable=False),
    Column("fee_fen", BigInteger, nullable=False),
    Column("first_load_id", String(40), nullable=True),
    Column("request_digest", String(64), nullable=False),
    Column("issued_on", String(8), nullable=False),
    Column("restore_id", String(40), nullable=True),  # the restore that left open what its element holds
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    CheckConstraint("fee_fen >= 0", name="fee_not_negative"),
    UniqueConstraint("caller_id", "idempotency_key"),
    # A number that never reached an element goes back to the inventory; the order that gave it back stays.
    Index(
        "uq_issuance_order_card_no",
        "card_no",
        unique=True,
        sqlite_where=_NOT_ABANDONED,
        postgresql_where=_NOT_ABANDONED,
    ),
    # What a chip bears, whatever wallets call it.
    Index("ix_issuance_order_chip", "chip", "product", sqlite_where=_PINNED, postgresql_where=_PINNED),
    # Two orders for the same card on the same element would personalise over each other. An element's name is its
    # wallet's word, so that no wallet can take another one's.
    Index(
        "uq_issuance_order_open",
        "caller_id",
        "se_id",
        "product",
        unique=True,
        sqlite_where=_OPEN,
        postgresql_where=_OPEN,
    ),
)

issuance_step = append_only(
    Table(
        "issuance_step",
        metadata,
        Column("id", String(40), primary_key=True),
        Column("order_id", String(40), nullable=False, index=True),
        Column("step", String(32), nullable=False),
        Column("data", Json, nullable=False),
        Column("at", UtcDateTime, nullable=False),
    )
)

# A name is its wallet's word and a chip has many; this one counts for it under all of them.
chip_opening = Table(
    "chip_opening",
    metadata,
    Column("sd_aid", String(32), primary_key=True),
    Column("chip", String(20), primary_key=True),
    Column("failed", Integer, nullable=False),
    Column("pending", Integer, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    CheckConstraint("failed >= 0", name="failed_not_negative"),
    CheckConstraint("pending >= 0", name="pending_not_negative"),
)

channel_opening = Table(
    "channel_opening",
    metadata,
    Column("caller_id", String(64), primary_key=True),
    Column("se_id", String(128), primary_key=True),
    Column("sd_aid", String(32), primary_key=True),
    Column("key_version", Integer, primary_key=True),
    Column("failed", Integer, nullable=False),  # in a row; an opening that works sets both to zero
    Column("pending", Integer, nullable=False),  # sent, and no report has told how they went
    Column("updated_at", UtcDateTime, nullable=False),
    CheckConstraint("failed >= 0", name="failed_not_negative"),
    CheckConstraint("pending >= 0", name="pending_not_negative"),
)
