"""The audit trail: append-only, one chain of digests per stream, written in the transaction that it tells of.

A row's digest covers everything in the row and the digest of the row before it. Whoever can write to the database
can also write a chain anew; so the newest digests are kept outside of it too (`ota.store.anchors`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import orjson
from sqlalchemy import Column, Integer, LargeBinary, String, Table, select
from sqlalchemy.engine import Connection

from ota.store.append_only import append_only
from ota.store.inserts import insert_or_skip
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

audit_head = Table(
    "audit_head",
    metadata,
    Column("stream", String(32), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("digest", LargeBinary(32), nullable=False),
)
"""The end of each stream. Its row lock is what puts the entries of one stream in a line."""

GENESIS: Final = bytes(32)
"""What the first entry of a stream names as the digest before it."""

DECISIONS: Final = "decisions"
REFUNDS: Final = "refunds"
CARDS: Final = "cards"
KEYS: Final = "keys"
ELEMENTS: Final = "elements"
RESTORES: Final = "restores"
JOBS: Final = "jobs"

PLATFORM: Final = "platform"
"""The actor of what no person and no caller asked for."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that somebody did. ``data`` holds names, states, counts; never a key, a MAC or a card number."""

    stream: str
    actor: str
    action: str
    subject_id: str
    data: Mapping[str, object]
    at: datetime


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a stream: how many entries it has and the digest of the last."""

    stream: str
    position: int
    digest: bytes


def append(tx: Connection, entry: Entry) -> Head:
    """Write an entry at the end of its stream; the stream is locked until the phase ends.

    Call it last in a phase: who waits for the stream should hold nothing that its holder still needs.
    """
    head = _lock(tx, entry.stream)
    position = head.position + 1
    digest = digest_of(entry, position, head.digest)
    tx.execute(
        audit.insert().values(
            stream=entry.stream,
            position=position,
            actor=entry.actor,
            action=entry.action,
            subject_id=entry.subject_id,
            data=dict(entry.data),
            at=entry.at,
            previous=head.digest,
            digest=digest,
        )
    )
    mine = audit_head.c.stream == entry.stream
    tx.execute(audit_head.update().where(mine).values(position=position, digest=digest))
    return Head(entry.stream, position, digest)


def digest_of(entry: Entry, position: int, previous: bytes) -> bytes:
    """SHA-256 over the entry as canonical JSON: sorted keys, no white space, UTC to the microsecond, digest as hex."""
    content = {
        "stream": entry.stream,
        "position": position,
        "actor": entry.actor,
        "action": entry.action,
        "subject_id": entry.subject_id,
        "data": dict(entry.data),
        "at": entry.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "previous": previous.hex(),
    }
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).digest()


def heads(tx: Connection) -> list[Head]:
    """The end of every stream, as the table of heads tells it."""
    rows = tx.execute(select(audit_head).order_by(audit_head.c.stream))
    return [Head(row.stream, row.position, bytes(row.digest)) for row in rows]


def _lock(tx: Connection, stream: str) -> Head:
    query = select(audit_head).where(audit_head.c.stream == stream).with_for_update()
    row = tx.execute(query).one_or_none()
    if row is None:
        tx.execute(insert_or_skip(tx, audit_head).values(stream=stream, position=0, digest=GENESIS))
        row = tx.execute(query).one()
    return Head(row.stream, row.position, bytes(row.digest))
