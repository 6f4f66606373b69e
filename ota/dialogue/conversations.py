"""Sessions and exchanges as rows: find, write, move on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, select

from ota.dialogue.element import Opening
from ota.dialogue.models import exchange as exchange_table
from ota.dialogue.models import session as session_table
from ota.dialogue.plan import Step
from ota.dialogue.states import SESSION, SessionEvent, SessionState

SUPERSEDED: Final = "superseded"
"""The plan's name of a session that a newer one for the same order has replaced."""

CALLED_OFF: Final = "called_off"
"""The plan's name of a session that its caller ended."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """A session: whose it is, what it is about, and the seq of the batch that waits for its report."""

    id: str
    plan: str
    subject_id: str
    caller_id: str
    state: SessionState
    seq: int
    opening: Opening
    context: Mapping[str, object]

    @property
    def is_superseded(self) -> bool:
        """Whether a newer session for the same order has taken its place."""
        return self.plan == SUPERSEDED

    @property
    def is_called_off(self) -> bool:
        """Whether its caller ended it before the work did."""
        return self.plan == CALLED_OFF


@dataclass(frozen=True, slots=True)
class Exchange:
    """A report that was taken, by its digest, and the answer it got."""

    report_digest: str | None
    answer: bytes


def insert(tx: Connection, new: Conversation, answer: bytes, now: datetime) -> None:
    """Write a new session with its first answer."""
    tx.execute(
        session_table.insert().values(
            id=new.id,
            plan=new.plan,
            subject_id=new.subject_id,
            caller_id=new.caller_id,
            state=new.state,
            seq=new.seq,
            opening=new.opening.to_json(),
            context=dict(new.context),
            created_at=now,
            updated_at=now,
        )
    )
    keep(tx, new.id, 0, None, answer, now)


def find(tx: Connection, session_id: str) -> Conversation | None:
    """The session, or None."""
    row = tx.execute(select(session_table).where(session_table.c.id == session_id)).one_or_none()
    if row is None:
        return None
    return Conversation(
        id=row.id,
        plan=row.plan,
        subject_id=row.subject_id,
        caller_id=row.caller_id,
        state=SessionState(row.state),
        seq=row.seq,
        opening=Opening.from_json(row.opening),
        context=row.context,
    )


def exchange(tx: Connection, session_id: str, seq: int) -> Exchange | None:
    """The exchange whose report was for batch ``seq`` (0: the opening), or None."""
    row = tx.execute(
        select(exchange_table.c.report_digest, exchange_table.c.answer).where(
            exchange_table.c.session_id == session_id, exchange_table.c.seq == seq
        )
    ).one_or_none()
    return Exchange(row.report_digest, row.answer) if row is not None else None


def keep(tx: Connection, session_id: str, seq: int, digest: str | None, answer: bytes, now: datetime) -> None:
    """Write an exchange."""
    tx.execute(
        exchange_table.insert().values(
            session_id=session_id, seq=seq, report_digest=digest, answer=answer, at=now
        )
    )


def move_on(tx: Connection, session: Conversation, step: Step, now: datetime) -> bool:
    """Take the waiting report off a session; False when another process did, or the session ended meanwhile."""
    changed = tx.execute(
        session_table.update()
        .where(
            session_table.c.id == session.id,
            session_table.c.seq == session.seq,
            session_table.c.state == SessionState.CONTINUE,
        )
        .values(
            seq=session.seq + 1,
            state=SESSION.after(session.state, step.event),
            plan=step.plan or session.plan,
            subject_id=step.subject_id or session.subject_id,
            context=dict(step.context),
            updated_at=now,
        )
    )
    return changed.rowcount == 1


def call_off(tx: Connection, session: Conversation, now: datetime) -> bool:
    """End a session without an exchange, as its caller wishes; False when it has ended meanwhile."""
    changed = tx.execute(
        session_table.update()
        .where(session_table.c.id == session.id, session_table.c.state == SessionState.CONTINUE)
        .values(
            state=SESSION.after(SessionState.CONTINUE, SessionEvent.CANCELLED),
            plan=CALLED_OFF,
            updated_at=now,
        )
    )
    return changed.rowcount == 1


def end_others(tx: Connection, subject_id: str, now: datetime) -> None:
    """End every open session about a subject: the newest one counts."""
    tx.execute(
        session_table.update()
        .where(session_table.c.subject_id == subject_id, session_table.c.state == SessionState.CONTINUE)
        .values(
            state=SESSION.after(SessionState.CONTINUE, SessionEvent.CANCELLED),
            plan=SUPERSEDED,
            updated_at=now,
        )
    )
