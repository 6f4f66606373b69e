"""The audit trail as rows: append-only, each one holding the hash of the one before it in its stream."""

from sqlalchemy import Column, Integer, LargeBinary, String, Table

from ota.store.append_only import append_only
from ota.store.schema import metadata
from ota.store.types import Json, UtcDateTime

audit = append_only(
    Table(
        "audit",
        metadata,
        Column("stream", String(32), primary_key=True),
        Column("position", Integer, primary_key=True),
        Column("actor", String(64), nullable=False),
        Column("action", String(48), nullable=False),
        Column("subject_id", String(64), nullable=False),
        Column("data", Json, nullable=False),
        Column("at", UtcDateTime, nullable=False),
        Column("previous", LargeBinary(32), nullable=False),
        Column("digest", LargeBinary(32), nullable=False),
    )
)
