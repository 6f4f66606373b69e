"""The rows of the books: accounts, journals, postings and the calendar of business days (MONEY.md, data)."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Integer,
    String,
    Table,
    UniqueConstraint,
)

from ota.store.append_only import append_only
from ota.store.schema import metadata
from ota.store.types import UtcDateTime

account = Table(
    "account",
    metadata,
    Column("id", String(64), primary_key=True),  # e.g. channel:alipay, suspense:5810, card_liability:5810
    Column("kind", String(32), nullable=False),
    Column("owner", String(32), nullable=False),
)

business_day = Table(
    "business_day",
    metadata,
    Column("day", Date, primary_key=True),
    Column("starts_at", UtcDateTime, nullable=False, unique=True),
    Column("ends_at", UtcDateTime, nullable=False, unique=True),
    Column("closed_at", UtcDateTime, nullable=True),
)

journal = append_only(
    Table(
        "journal",
        metadata,
        Column("id", String(40), primary_key=True),
        Column("kind", String(32), nullable=False),
        Column("reference", String(64), nullable=False),
        Column("subject_id", String(40), nullable=False, index=True),  # the payment whose money moves
        Column("business_day", Date, ForeignKey("business_day.day"), nullable=False, index=True),
        Column("at", UtcDateTime, nullable=False),
        UniqueConstraint("kind", "reference"),  # what happened once is booked once
    )
)

posting = append_only(
    Table(
        "posting",
        metadata,
        Column("journal_id", String(40), ForeignKey("journal.id"), primary_key=True),
        Column("line", Integer, primary_key=True),
        Column("account_id", String(64), ForeignKey("account.id"), nullable=False, index=True),
        Column(
            "amount_fen", BigInteger, nullable=False
        ),  # debit positive, credit negative; a journal sums to zero
        CheckConstraint("amount_fen <> 0", name="amount_not_zero"),
    )
)
