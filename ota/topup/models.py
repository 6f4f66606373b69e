"""The rows of top-up: orders, payments, challenges, attempts, evidence and refunds (MONEY.md, data)."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    UniqueConstraint,
    text,
)

from ota.store.append_only import append_only
from ota.store.schema import metadata
from ota.store.types import Json, UtcDateTime, choice
from ota.topup.states import AttemptState, RefundState, TopupState

topup_order = Table(
    "topup_order",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("caller_id", String(64), nullable=False),
    Column("idempotency_key", String(200), nullable=False),
    Column("card_no", String(19), nullable=False, index=True),
    Column("city", String(4), nullable=False),
    Column("amount_fen", BigInteger, nullable=False),
    Column("state", choice(TopupState), nullable=False),
    Column("issuance_id", String(40), nullable=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    CheckConstraint("amount_fen > 0", name="amount_positive"),
    UniqueConstraint("caller_id", "idempotency_key"),
)

payment = Table(
    "payment",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("order_id", String(40), nullable=False, index=True),
    Column("channel", String(32), nullable=False),
    Column("trade_no", String(64), nullable=False),
    Column("amount_fen", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("paid_at", UtcDateTime, nullable=False),
    Column("taken_at", UtcDateTime, nullable=False),
    CheckConstraint("amount_fen > 0", name="amount_positive"),
    CheckConstraint("currency = 'CNY'", name="currency_yuan"),
    UniqueConstraint("channel", "trade_no"),  # one trade pays one order
)

load_challenge = Table(
    "load_challenge",
    metadata,
    Column("nonce", String(64), primary_key=True),
    Column("card_no", String(19), nullable=False),
    Column("order_id", String(40), nullable=False),
    Column("terminal_no", String(12), nullable=False),
    Column("amount_fen", BigInteger, nullable=False),
    Column("after_attempt", String(40), nullable=True),  # the live attempt that this challenge was made after
    Column("answer_digest", String(64), nullable=True),
    Column("open", Integer, nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
    Column("used_at", UtcDateTime, nullable=True),
    CheckConstraint("open IN (0, 1)", name="open_flag"),
    Index(
        "uq_load_challenge_open_per_card",
        "card_no",
        unique=True,
        sqlite_where=text("open = 1"),
        postgresql_where=text("open = 1"),
    ),
)

_LIVE = text("state IN ('authorised', 'uncertain')")
_LOADED = text("state = 'loaded'")

load_attempt = Table(
    "load_attempt",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("order_id", String(40), ForeignKey("topup_order.id"), nullable=False, index=True),
    Column("card_no", String(19), nullable=False),
    Column("nonce", String(64), ForeignKey("load_challenge.nonce"), nullable=False, unique=True),
    Column("state", choice(AttemptState), nullable=False),
    Column("amount_fen", BigInteger, nullable=False),
    Column("terminal_no", String(12), nullable=False),
    Column("host_time", String(14), nullable=False),
    Column("balance_raw", BigInteger, nullable=False),
    Column("online_atc", Integer, nullable=False),
    Column("key_version", Integer, nullable=False),
    Column("algorithm_id", Integer, nullable=False),
    Column("random", String(8), nullable=False),
    Column("mac1", String(8), nullable=False),
    Column("authorised_at", UtcDateTime, nullable=False),
    Column("decided_at", UtcDateTime, nullable=True),
    CheckConstraint("amount_fen > 0", name="amount_positive"),
    CheckConstraint("online_atc BETWEEN 0 AND 65535", name="atc_range"),
    Index(
        "uq_load_attempt_live_per_card", "card_no", unique=True, sqlite_where=_LIVE, postgresql_where=_LIVE
    ),
    Index(
        "uq_load_attempt_loaded_per_counter",
        "card_no",
        "online_atc",
        unique=True,
        sqlite_where=_LOADED,
        postgresql_where=_LOADED,
    ),
)

evidence = append_only(
    Table(
        "evidence",
        metadata,
        Column("id", String(40), primary_key=True),
        Column("order_id", String(40), nullable=False, index=True),
        Column("attempt_id", String(40), nullable=True),
        Column("kind", String(32), nullable=False),
        Column("data", Json, nullable=False),
        Column("at", UtcDateTime, nullable=False),
    )
)

refund = Table(
    "refund",
    metadata,
    Column("order_id", String(40), ForeignKey("topup_order.id"), primary_key=True),  # one per order
    Column("refund_key", String(64), nullable=False, unique=True),
    Column("state", choice(RefundState), nullable=False),
    Column("amount_fen", BigInteger, nullable=False),
    Column("reason", String(64), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    CheckConstraint("amount_fen > 0", name="amount_positive"),
)
