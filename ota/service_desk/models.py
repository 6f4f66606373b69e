"""The rows of the service desk: decisions about money that two people stand for (MONEY.md, data)."""

from sqlalchemy import CheckConstraint, Column, String, Table

from ota.store.schema import metadata
from ota.store.types import Json, UtcDateTime

approval = Table(
    "approval",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("subject_id", String(40), nullable=False, index=True),
    Column("action", String(32), nullable=False),
    Column("data", Json, nullable=False),
    Column("maker", String(64), nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
    Column("checker", String(64), nullable=True),
    Column("checked_at", UtcDateTime, nullable=True),
    CheckConstraint("checker IS NULL OR checker <> maker", name="four_eyes"),
)
