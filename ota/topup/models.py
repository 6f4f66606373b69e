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
from ota.topup.states import (
    AttemptState,
    PaymentPurpose,
    RefundReason,
    RefundState,
    TopupState,
)

_WAITING = text("state IN ('paid', 'loading', 'uncertain', 'held')")
_FIRST_LOAD = text("issuance_id IS NOT NULL")
_THE_ONE = text("surplus IS NULL")
_SURPLUS = text("surplus IS NOT NULL")
_ON_ITS_WAY = text("state <> 'done'")

topup_order = Table(
    "topup_order",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("caller_id", String(64), nullable=False),
    Column("idempotency_key", String(255), nullable=False),
    Column("card_no", String(19), nullable=False, index=True),
    Column("city", String(4), nullable=False),
    Column("amount_fen", BigInteger, nullable=False),
    Column("state", choice(TopupState), nullable=False),
    Column("issuance_id", String(40), nullable=True),
    Column("restore_id", String(40), nullable=True),  # the restore that left open what became of its money
    Column("no_card_since", UtcDateTime, nullable=True),  # its card was not made: its money only goes back
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    CheckConstraint("amount_fen > 0", name="amount_positive"),
    UniqueConstraint("caller_id", "idempotency_key"),
    Index(
        "uq_topup_order_issuance",
        "issuance_id",
        unique=True,
        sqlite_where=_FIRST_LOAD,
        postgresql_where=_FIRST_LOAD,
    ),
    # Few of very many: what suspense and the sweeps ask for every minute.
    Index("ix_topup_order_waiting", "state", "updated_at", sqlite_where=_WAITING, postgresql_where=_WAITING),
)

payment = Table(
    "payment",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("order_id", String(40), nullable=False, index=True),  # a top-up's, or an issuance's for its fee
    Column("purpose", choice(PaymentPurpose), nullable=False),
    Column("surplus", choice(RefundReason), nullable=True),  # why it cannot serve its order; None: it does
    Column("caller_id", String(64), nullable=False),
    Column("city", String(4), nullable=False),
    Column("channel", String(32), nullable=False),
    Column("trade_no", String(64), nullable=False),
    Column("amount_fen", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("paid_at", UtcDateTime, nullable=False),
    Column("taken_at", UtcDateTime, nullable=False),
    CheckConstraint("amount_fen > 0", name="amount_positive"),
    CheckConstraint("currency = 'CNY'", name="currency_yuan"),
    UniqueConstraint("channel", "trade_no"),  # one trade pays one order
    Index(  # and one trade is all that an order takes
        "uq_payment_of_order", "order_id", unique=True, sqlite_where=_THE_ONE, postgresql_where=_THE_ONE
    ),
    Index("ix_payment_surplus", "id", sqlite_where=_SURPLUS, postgresql_where=_SURPLUS),
)

load_challenge = Table(
    "load_challenge",
    metadata,
    Column("nonce", String(64), primary_key=True),
    Column("card_no", String(19), nullable=False),
    Column("order_id", String(40), nullable=False),
    Column("asked_by", String(64), nullable=True),  # the terminal that the question was put at; None: a phone
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

_LIVE = text("state IN ('authorised', 'uncertain', 'decided')")
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
    Column(
        "restore_id", String(40), nullable=True
    ),  # older than this restore: its counter alone proves nothing
    Column("authorised_at", UtcDateTime, nullable=False),
    Column("decided_at", UtcDateTime, nullable=True),
    CheckConstraint("amount_fen > 0", name="amount_positive"),
    CheckConstraint("online_atc BETWEEN 0 AND 65535", name="atc_range"),
    Index("ix_load_attempt_card_no_online_atc", "card_no", "online_atc"),
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
    Column("id", String(40), primary_key=True),
    # One per payment, and an order takes one payment: one per order.
    Column("payment_id", String(40), ForeignKey("payment.id"), nullable=False, unique=True),
    Column("order_id", String(40), nullable=False, index=True),
    Column("caller_id", String(64), nullable=False),
    Column("refund_key", String(64), nullable=False, unique=True),
    Column(
        "round", Integer, nullable=False
    ),  # a refund that was refused may be started again, under a new key
    Column("tries", Integer, nullable=False),  # of this round: sent, or asked about
    Column("state", choice(RefundState), nullable=False),
    Column("amount_fen", BigInteger, nullable=False),
    Column("reason", choice(RefundReason), nullable=False),
    Column("restore_id", String(40), nullable=True),  # this round may have been paid by other means before it
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    CheckConstraint("amount_fen > 0", name="amount_positive"),
    Index("ix_refund_open", "state", "updated_at", sqlite_where=_ON_ITS_WAY, postgresql_where=_ON_ITS_WAY),
)
