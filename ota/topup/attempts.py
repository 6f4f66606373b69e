"""Challenges and load attempts as rows: what the card was asked, and every MAC2 that may be out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, Row, Select, select

from ota.card.purse import Load, LoadAnswer
from ota.core.ids import new_id
from ota.core.values import CardNumber, CardTime, Fen, Mac4, TerminalNumber
from ota.store import history
from ota.topup.models import evidence, load_attempt, load_challenge
from ota.topup.states import ATTEMPT, LIVE, OPEN, AttemptEvent, AttemptState

REPLAYABLE: Final = "replayable_counter"
"""Evidence that says less than it seems: under a fixed terminal number a card's answers can be collected beforehand."""

CONFIRMED: Final = "load_confirmed"
"""Evidence: two people saw the load on the card."""

NOT_MOVED: Final = "counter_not_moved"
"""Evidence: the card answered with the counter that a load, booked as loaded, would have used up."""

REVERSED: Final = "confirmation_reversed"
"""Evidence: two people took their confirmation back, the card having disproved it."""

RESTORED: Final = "database_restored"
"""Evidence: the database was brought back to a moment before; what happened to this money since is known outside."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """What INITIALIZE FOR LOAD was asked with; the nonce makes MAC1 an answer to this question only.

    ``after_attempt`` is the live attempt of the card when the question was made: only an answer to a question made
    after an attempt says anything about it.
    """

    nonce: str
    card: CardNumber
    order_id: str
    terminal: TerminalNumber
    amount: Fen
    after_attempt: str | None
    answer_digest: str | None = None
    open: bool = True
    asked_by: str | None = None
    """The terminal that the question was put at; None for a phone."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One MAC2: everything that rebuilds it and its TAC."""

    id: str
    order_id: str
    card: CardNumber
    nonce: str
    state: AttemptState
    load: Load
    restore_id: str | None = None
    """The restore that it is older than: another load may have taken its counter and be forgotten."""

    @property
    def counter(self) -> int:
        """The online ATC before the load."""
        return self.load.answer.online_atc

    def step(self, tx: Connection, event: AttemptEvent, now: datetime) -> Attempt:
        """Take one step of the state machine and write it into the history; raises NotInThisState."""
        after = ATTEMPT.after(self.state, event)
        decided = None if after in OPEN else now
        tx.execute(
            load_attempt.update().where(load_attempt.c.id == self.id).values(state=after, decided_at=decided)
        )
        history.record(
            tx, kind="load_attempt", subject_id=self.id, before=self.state, event=event, after=after, at=now
        )
        return replace(self, state=after)


def answer_digest(answer: LoadAnswer) -> str:
    """A fingerprint of an INITIALIZE FOR LOAD answer: an exact repetition has the same one."""
    raw = b"".join(
        (
            answer.balance_raw.to_bytes(4, "big"),
            answer.online_atc.to_bytes(2, "big"),
            bytes((answer.key_version,)),
            bytes((answer.algorithm_id,)),
            answer.random,
            answer.mac1.value,
        )
    )
    return hashlib.sha256(raw).hexdigest()


def ask(tx: Connection, challenge: Challenge, now: datetime) -> None:
    """Write a new challenge; it takes the place of the card's open one. The caller holds the card's lock."""
    tx.execute(
        load_challenge.update()
        .where(load_challenge.c.card_no == challenge.card.digits, load_challenge.c.open == 1)
        .values(open=0)
    )
    tx.execute(
        load_challenge.insert().values(
            nonce=challenge.nonce,
            card_no=challenge.card.digits,
            order_id=challenge.order_id,
            terminal_no=challenge.terminal.digits,
            amount_fen=challenge.amount.amount,
            after_attempt=challenge.after_attempt,
            asked_by=challenge.asked_by,
            open=1,
            made_at=now,
        )
    )


def was_asked_at(tx: Connection, order_id: str, terminal_id: str) -> bool:
    """Whether a question for this order was ever put at this terminal."""
    asked = select(load_challenge.c.nonce).where(
        load_challenge.c.order_id == order_id, load_challenge.c.asked_by == terminal_id
    )
    return tx.execute(asked.limit(1)).scalar() is not None


def find_challenge(tx: Connection, nonce: str) -> Challenge | None:
    """The challenge with this nonce, or None."""
    row = tx.execute(select(load_challenge).where(load_challenge.c.nonce == nonce)).one_or_none()
    if row is None:
        return None
    return Challenge(
        nonce=row.nonce,
        card=CardNumber(row.card_no),
        order_id=row.order_id,
        terminal=TerminalNumber(row.terminal_no),
        amount=Fen(row.amount_fen),
        after_attempt=row.after_attempt,
        answer_digest=row.answer_digest,
        open=row.open == 1,
    )


def use(tx: Connection, nonce: str, digest: str, now: datetime) -> None:
    """A challenge is answered once."""
    tx.execute(
        load_challenge.update()
        .where(load_challenge.c.nonce == nonce)
        .values(open=0, answer_digest=digest, used_at=now)
    )


def insert(tx: Connection, attempt: Attempt, now: datetime) -> None:
    """Write a new attempt: from this commit on its MAC2 may leave the process."""
    load, answer = attempt.load, attempt.load.answer
    tx.execute(
        load_attempt.insert().values(
            id=attempt.id,
            order_id=attempt.order_id,
            card_no=attempt.card.digits,
            nonce=attempt.nonce,
            state=attempt.state,
            amount_fen=load.amount.amount,
            terminal_no=load.terminal.hex(),
            host_time=load.at.digits if load.at else "",
            balance_raw=answer.balance_raw,
            online_atc=answer.online_atc,
            key_version=answer.key_version,
            algorithm_id=answer.algorithm_id,
            random=answer.random.hex(),
            mac1=answer.mac1.value.hex(),
            authorised_at=now,
        )
    )
    history.record(
        tx,
        kind="load_attempt",
        subject_id=attempt.id,
        before=None,
        event="authorised",
        after=attempt.state,
        at=now,
    )


def get(tx: Connection, attempt_id: str) -> Attempt:
    """The attempt; its id comes from the platform's own rows."""
    return _attempt(tx.execute(select(load_attempt).where(load_attempt.c.id == attempt_id)).one())


def live(tx: Connection, card: CardNumber) -> Attempt | None:
    """The one attempt of a card whose MAC2 may still become money, or None."""
    row = tx.execute(
        select(load_attempt).where(load_attempt.c.card_no == card.digits, load_attempt.c.state.in_(LIVE))
    ).one_or_none()
    return _attempt(row) if row is not None else None


def of_nonce(tx: Connection, nonce: str) -> Attempt | None:
    """The attempt that answered this challenge, or None."""
    row = tx.execute(select(load_attempt).where(load_attempt.c.nonce == nonce)).one_or_none()
    return _attempt(row) if row is not None else None


def latest(tx: Connection, order_id: str) -> Attempt | None:
    """The newest attempt of an order, or None."""
    row = tx.execute(
        select(load_attempt)
        .where(load_attempt.c.order_id == order_id)
        .order_by(load_attempt.c.authorised_at.desc(), load_attempt.c.id.desc())
        .limit(1)
    ).one_or_none()
    return _attempt(row) if row is not None else None


def loaded_at(tx: Connection, card: CardNumber, counter: int) -> Attempt | None:
    """The attempt that is booked as loaded at this online ATC of the card, or None: the counter moves with each load."""
    row = tx.execute(
        select(load_attempt).where(
            load_attempt.c.card_no == card.digits,
            load_attempt.c.online_atc == counter,
            load_attempt.c.state == AttemptState.LOADED,
        )
    ).one_or_none()
    return _attempt(row) if row is not None else None


def loaded(tx: Connection, order_id: str) -> Attempt | None:
    """The attempt that brought an order's money onto its card, or None."""
    row = tx.execute(
        select(load_attempt).where(
            load_attempt.c.order_id == order_id, load_attempt.c.state == AttemptState.LOADED
        )
    ).one_or_none()
    return _attempt(row) if row is not None else None


def states_of(tx: Connection, order_id: str) -> frozenset[AttemptState]:
    """The states of all attempts of an order."""
    rows = tx.execute(select(load_attempt.c.state).where(load_attempt.c.order_id == order_id).distinct())
    return frozenset(AttemptState(state) for state in rows.scalars())


def of_replayable_proof() -> Select[tuple[str]]:
    """The orders whose loads were disproven by nothing better than an answer that may be an old one."""
    return select(evidence.c.order_id).where(evidence.c.kind == REPLAYABLE)


def rests_on_replayable_proof(tx: Connection, order_id: str) -> bool:
    """Whether the order is one of these."""
    mine = of_replayable_proof().where(evidence.c.order_id == order_id)
    return tx.execute(mine.limit(1)).scalar() is not None


def confirmed_by_people() -> Select[tuple[str | None]]:
    """The attempts that two people ever said to be in the purse."""
    return select(evidence.c.attempt_id).where(
        evidence.c.kind == CONFIRMED, evidence.c.attempt_id.is_not(None)
    )


def note(
    tx: Connection,
    order_id: str,
    attempt_id: str | None,
    kind: str,
    data: Mapping[str, object],
    now: datetime,
) -> None:
    """Keep a piece of evidence: append-only, and never a MAC, a TAC or a full card number."""
    tx.execute(
        evidence.insert().values(
            id=new_id("evd"), order_id=order_id, attempt_id=attempt_id, kind=kind, data=dict(data), at=now
        )
    )


def evidence_about(tx: Connection, attempt_id: str) -> frozenset[str]:
    """The kinds of evidence that were kept of an attempt."""
    kinds = tx.execute(select(evidence.c.kind).where(evidence.c.attempt_id == attempt_id).distinct())
    return frozenset(kinds.scalars())


def _attempt(row: Row[tuple[object, ...]]) -> Attempt:
    answer = LoadAnswer(
        balance_raw=row.balance_raw,
        online_atc=row.online_atc,
        key_version=row.key_version,
        algorithm_id=row.algorithm_id,
        random=bytes.fromhex(row.random),
        mac1=Mac4(bytes.fromhex(row.mac1)),
    )
    return Attempt(
        id=row.id,
        order_id=row.order_id,
        card=CardNumber(row.card_no),
        nonce=row.nonce,
        state=AttemptState(row.state),
        load=Load(Fen(row.amount_fen), bytes.fromhex(row.terminal_no), answer, CardTime(row.host_time)),
        restore_id=row.restore_id,
    )
