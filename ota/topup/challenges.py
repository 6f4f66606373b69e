"""Challenges as rows: what a card was asked, and which question is still open."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from ota.card.purse import LoadAnswer
from ota.core.values import CardNumber, Fen, TerminalNumber
from ota.topup.models import load_challenge


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


def find(tx: Connection, nonce: str) -> Challenge | None:
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
