"""Load attempts as rows: every MAC2 that may be out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, Row, Select, select

from ota.card.purse import Load, LoadAnswer
from ota.core.values import CardNumber, CardTime, Fen, Mac4
from ota.store import history
from ota.topup import evidence
from ota.topup.models import load_attempt, topup_order
from ota.topup.states import ATTEMPT, LIVE, OPEN, AttemptEvent, AttemptState, TopupState


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


def denied_before(tx: Connection, card: CardNumber, counter: int) -> Attempt | None:
    """A load that only an answer of perhaps long ago denied, though the card has used up its counter since, or None.

    Not one whose counter another load has used up, nor one whose order has found its end.
    """
    other = load_attempt.alias()
    taken = select(other.c.id).where(
        other.c.card_no == card.digits,
        other.c.online_atc == load_attempt.c.online_atc,
        other.c.state == AttemptState.LOADED,
    )
    paid = select(topup_order.c.id).where(
        topup_order.c.card_no == card.digits, topup_order.c.state == TopupState.PAID
    )
    query = _denied_of(card).where(
        load_attempt.c.online_atc < counter, load_attempt.c.order_id.in_(paid), ~taken.exists()
    )
    row = tx.execute(query.order_by(load_attempt.c.id).limit(1)).one_or_none()
    return _attempt(row) if row is not None else None


def is_rivalled(tx: Connection, live: Attempt) -> bool:
    """Whether another order's load, denied by an answer of perhaps long ago, may have used up this one's counter."""
    rivals = _denied_of(live.card).where(
        load_attempt.c.online_atc == live.counter, load_attempt.c.order_id != live.order_id
    )
    return tx.execute(rivals.limit(1)).one_or_none() is not None


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


def _denied_of(card: CardNumber) -> Select[tuple[object, ...]]:
    """A card's dead attempts that nothing better speaks against."""
    return select(load_attempt).where(
        load_attempt.c.card_no == card.digits,
        load_attempt.c.state == AttemptState.DEAD,
        load_attempt.c.id.in_(evidence.attempts_with(evidence.REPLAYABLE)),
    )


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
