"""Every step of every state machine, written in the transaction that takes it."""

import hashlib
from collections.abc import Mapping
from datetime import datetime

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from ota.store.append_only import append_only
from ota.store.schema import metadata
from ota.store.types import Json, RowId, UtcDateTime

state_history = append_only(
    sa.Table(
        "state_history",
        metadata,
        sa.Column("id", RowId, primary_key=True),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("subject_id", sa.String(64), nullable=False),
        sa.Column("before", sa.String(32)),
        sa.Column("event", sa.String(48), nullable=False),
        sa.Column("after", sa.String(32), nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("detail", Json),
        sa.Index(None, "kind", "subject_id"),
    )
)


def newest(tx: Connection) -> tuple[int, bytes] | None:
    """Number and digest of the newest step; None where nothing has happened."""
    last = tx.execute(sa.select(sa.func.max(state_history.c.id))).scalar()
    if last is None:
        return None
    digest = digest_of(tx, last)
    assert digest is not None  # noqa: S101  nothing is removed from this table
    return last, digest


def digest_of(tx: Connection, number: int) -> bytes | None:
    """SHA-256 over a step, as far as it tells one from another; None where there is no such step."""
    row = tx.execute(sa.select(state_history).where(state_history.c.id == number)).one_or_none()
    if row is None:
        return None
    told = [row.id, row.kind, row.subject_id, row.before, row.event, row.after, row.at.isoformat()]
    return hashlib.sha256(orjson.dumps(told)).digest()


def record(  # noqa: PLR0913  one row, one argument per column
    tx: Connection,
    *,
    kind: str,
    subject_id: str,
    before: str | None,
    event: str,
    after: str,
    at: datetime,
    detail: Mapping[str, object] | None = None,
) -> None:
    """Write one step: ``before`` is None for the step that creates the subject."""
    tx.execute(
        state_history.insert().values(
            kind=kind,
            subject_id=subject_id,
            before=None if before is None else str(before),
            event=str(event),
            after=str(after),
            at=at,
            detail=None if detail is None else dict(detail),
        )
    )
