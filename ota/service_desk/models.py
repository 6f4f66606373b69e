"""The rows of the service desk: decisions about money that two people stand for (MONEY.md, data)."""

from sqlalchemy import CheckConstraint, Column, Index, String, Table, text

from ota.service_desk.states import Action, Outcome
from ota.store.schema import metadata
from ota.store.types import Json, UtcDateTime, choice

_OPEN = text("outcome IS NULL")

approval = Table(
    "approval",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("action", choice(Action), nullable=False),
    Column("subject_id", String(40), nullable=False, index=True),
    Column("city", String(4), nullable=False),
    Column("reason", String(400), nullable=False),
    Column("data", Json, nullable=False),
    Column("maker", String(64), nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
    Column("checker", String(64), nullable=True),
    Column("checked_at", UtcDateTime, nullable=True),
    Column("outcome", choice(Outcome), nullable=True),
    CheckConstraint("checker IS NULL OR checker <> maker", name="four_eyes"),
    CheckConstraint("(outcome IS NULL) = (checker IS NULL)", name="outcome_has_a_checker"),
    Index(  # a second proposal for the same thing waits for the first
        "uq_approval_open", "subject_id", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN
    ),
)
