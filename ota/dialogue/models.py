"""The rows of a conversation: the session, and every report with the answer it got."""

from sqlalchemy import Column, ForeignKey, Index, Integer, LargeBinary, String, Table, text

from ota.dialogue.states import SessionState
from ota.store.schema import metadata
from ota.store.types import Json, UtcDateTime, choice

_OPEN = text("state = 'continue'")

session = Table(
    "session",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("plan", String(32), nullable=False),
    Column("subject_id", String(40), nullable=False, index=True),
    Column("caller_id", String(64), nullable=False),
    Column("state", choice(SessionState), nullable=False),
    Column("seq", Integer, nullable=False),  # of the batch that waits for its report
    Column("opening", Json, nullable=False),
    Column("context", Json, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    # Two phones with the same order: the newest session counts, and there is only one.
    Index("uq_session_open", "subject_id", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN),
)

exchange = Table(
    "exchange",
    metadata,
    Column("session_id", String(40), ForeignKey("session.id"), primary_key=True),
    Column("seq", Integer, primary_key=True),  # 0: the opening, which has no report
    Column("report_digest", String(71), nullable=True),
    Column("answer", LargeBinary, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)
