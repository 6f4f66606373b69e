"""Sessions: opened for an order, carried on report by report, each answer committed before it is sent."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Protocol

import orjson
from sqlalchemy.exc import IntegrityError

from ota.card.batch import Report, check_report
from ota.core.clock import Clock
from ota.core.errors import Busy, Conflict, NextAction, NotFound
from ota.core.ids import new_id
from ota.core.principal import CallerKind, Principal
from ota.dialogue import conversations
from ota.dialogue.answers import batch_of, final_answer, next_batch
from ota.dialogue.conversations import Conversation
from ota.dialogue.element import Opening
from ota.dialogue.plan import Plan, Step, Talk
from ota.dialogue.states import SESSION, SessionEvent, SessionState
from ota.hsm_adapter.trail import on_behalf_of
from ota.store.phases import Store

_OPENING_TRIES: Final = 3

NO_ELEMENT: Final = "none"
"""What a session's token names where the caller did not say which element the card is on: a plain top-up."""


class SequenceConflict(Conflict):
    """The report is for another batch than the one that waits, or differs from the one already taken."""

    code = "sequence_conflict"
    next_action = NextAction.RESUME

    def __init__(self, current: int) -> None:
        super().__init__(
            english=f"This report does not answer the waiting batch; the session is at seq {current}.",
            chinese=f"执行结果与当前批次不符, 会话当前序号为 {current}。",
            details={"seq": current},
        )


class DigestWrong(Conflict):
    """The digest of a report is not the digest of its results."""

    code = "digest_wrong"
    next_action = NextAction.RESUME
    english = "The digest does not fit the results and the batch they answer."
    chinese = "摘要与执行结果不一致。"


class SessionOver(Conflict):
    """The session has ended, or a newer one took its place."""

    code = "session_over"
    next_action = NextAction.RESUME
    english = "This session has ended; open a new one for the order."
    chinese = "会话已结束, 请为该订单重新建立会话。"


class Receipts(Protocol):
    """Signs what has been done."""

    def sign(self, claims: Mapping[str, object], *, type_: str) -> str:
        """A compact JWS."""
        ...


class SessionTokens(Protocol):
    """Makes the token with which a phone speaks for one session."""

    def issue_session(self, session_id: str, se_id: str) -> str:
        """A token for this session and this element."""
        ...


@dataclass(frozen=True, slots=True)
class Opened:
    """A new session: its id, the token for its phone, and the first answer, as stored."""

    session_id: str
    token: str = field(repr=False)
    answer: bytes = field(repr=False)

    @property
    def view(self) -> dict[str, object]:
        """The session as callers get it."""
        return {"session_id": self.session_id, "token": self.token, "batch": orjson.loads(self.answer)}


@dataclass(frozen=True, slots=True)
class Message:
    """A report as a phone sent it: for batch ``seq``, with its digest."""

    seq: int
    digest: str
    report: Report


class Sessions:
    """Conversations with cards. Any process can continue any session: nothing is kept outside the database."""

    def __init__(
        self,
        store: Store,
        plans: Mapping[str, Plan],
        tokens: SessionTokens,
        receipts: Receipts,
        clock: Clock,
        issuer: str,
    ) -> None:
        self._store = store
        self._plans = plans
        self._tokens = tokens
        self._receipts = receipts
        self._clock = clock
        self._issuer = issuer

    def open(self, caller: Principal, plan: str, subject_id: str, opening: Opening) -> Opened:
        """Start a session for an order; an older one for the same order ends. Raises what the plan raises."""
        self._plans[plan].may_open(caller, subject_id)
        talk = Talk(new_id("ses"), subject_id, caller, opening)
        with on_behalf_of(caller.id, subject_id):
            step = self._plans[plan].open(talk)
        answer = self._answer(talk, 0, step)
        conversation = Conversation(
            id=talk.session_id,
            plan=step.plan or plan,
            subject_id=step.subject_id or subject_id,
            caller_id=caller.id,
            state=SESSION.after(SessionState.CONTINUE, step.event),
            seq=1,
            opening=opening,
            context=step.context,
        )
        self._insert(conversation, step, answer)
        se_id = opening.element.se_id if opening.element is not None else NO_ELEMENT
        return Opened(talk.session_id, self._tokens.issue_session(talk.session_id, se_id), answer)

    def report(self, caller: Principal, session_id: str, message: Message) -> bytes:
        """Take the report of the waiting batch and give the next answer; the same report gets the same bytes.

        Raises SequenceConflict, DigestWrong, SessionOver, InvalidReport; nothing has changed then.
        """
        with self._store.read() as tx:
            session = _own(conversations.find(tx, session_id), caller)
            last = conversations.exchange(tx, session_id, session.seq - 1)
            told = (
                last
                if message.seq == session.seq - 1
                else conversations.exchange(tx, session_id, message.seq)
            )
        if told is not None and message.seq < session.seq:
            return _same(told, message.digest, session.seq)
        if message.seq != session.seq:
            raise SequenceConflict(session.seq)
        if last is None or session.state is not SessionState.CONTINUE:
            raise SessionOver

        batch = batch_of(last.answer)
        checked = check_report(batch, message.report)
        if message.report.digest(batch) != message.digest:
            raise DigestWrong

        owner = Principal(CallerKind.WALLET, session.caller_id)
        talk = Talk(session_id, session.subject_id, owner, session.opening, session.context)
        with on_behalf_of(session.caller_id, session.subject_id):
            step = self._plans[session.plan].advance(talk, batch, checked)
        answer = self._answer(talk, message.seq, step)
        if self._commit(session, step, message.digest, answer):
            return answer
        return self.report(caller, session_id, message)  # another process took this very report meanwhile

    def show(self, caller: Principal, session_id: str) -> bytes:
        """The last answer, for a phone that lost it; raises SessionOver when the session was cut short."""
        with self._store.read() as tx:
            session = _own(conversations.find(tx, session_id), caller)
            last = conversations.exchange(tx, session_id, session.seq - 1)
        if last is None or session.is_superseded or session.is_called_off:
            raise SessionOver
        return last.answer

    def cancel(self, caller: Principal, session_id: str) -> bytes:
        """End a session; what its batches did to the card is found out at the next contact.

        One that has ended by itself stays as it is: its ending is told again.
        """
        with self._store.begin() as tx:
            session = _own(conversations.find(tx, session_id), caller)
            called_off = session.is_called_off or conversations.call_off(tx, session, self._clock.now())
        if called_off:
            return final_answer(session_id, session.seq, "cancelled", {}, None, None, None)
        return self.show(caller, session_id)

    def _insert(self, new: Conversation, step: Step, answer: bytes) -> None:
        """One commit: older sessions of the subject end, the rows of the step, the session and its first answer."""
        now = self._clock.now()
        for _ in range(_OPENING_TRIES):
            with suppress(IntegrityError), self._store.begin() as tx:
                conversations.end_others(tx, new.subject_id, now)
                step.record(tx)
                conversations.insert(tx, new, answer, now)
                return
        raise Busy  # others keep opening sessions for the same order at this very moment

    def _commit(self, session: Conversation, step: Step, digest: str, answer: bytes) -> bool:
        """One commit: the rows of the step, the new state, the report's digest and the stored answer."""
        now = self._clock.now()
        with self._store.begin() as tx:
            if step.subject_id is not None:
                conversations.end_others(tx, step.subject_id, now)
            if not conversations.move_on(tx, session, step, now):
                return False
            step.record(tx)
            conversations.keep(tx, session.id, session.seq, digest, answer, now)
        return True

    def _answer(self, talk: Talk, seq: int, step: Step) -> bytes:
        session_id = talk.session_id
        if step.event is SessionEvent.BATCH_SENT:
            return next_batch(session_id, seq + 1, step, talk.opening.caps)
        receipt = (
            self._receipt(session_id, step.outcome) if step.event is SessionEvent.WORK_FINISHED else None
        )
        state = SESSION.after(SessionState.CONTINUE, step.event)
        return final_answer(session_id, seq + 1, state, step.outcome, step.progress, step.problem, receipt)

    def _receipt(self, session_id: str, outcome: Mapping[str, object]) -> str:
        claims = {"iss": self._issuer, "iat": int(self._clock.now().timestamp()), "jti": session_id}
        return self._receipts.sign(claims | dict(outcome), type_="receipt+jwt")


def _own(session: Conversation | None, caller: Principal) -> Conversation:
    """The session if it is the caller's: a phone's own one, or one that a wallet opened."""
    if session is None:
        raise NotFound
    mine = (
        session.id == caller.session_id if caller.kind is CallerKind.PHONE else session.caller_id == caller.id
    )
    if not mine:
        raise NotFound
    return session


def _same(told: conversations.Exchange, digest: str, current: int) -> bytes:
    if told.report_digest != digest:
        raise SequenceConflict(current)
    return told.answer
