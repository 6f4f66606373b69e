"""Journals: sets of lines that sum to zero, written once per kind and reference, never changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, select

from ota.core.ids import new_id
from ota.ledger import calendar
from ota.ledger.accounts import Account
from ota.ledger.errors import BookedDifferently, NotBooked, Unbalanced
from ota.ledger.models import account as account_table
from ota.ledger.models import journal as journal_table
from ota.ledger.models import posting
from ota.store.inserts import insert_or_skip


class JournalKind(StrEnum):
    """What happened; with a reference it names one event, and an event is booked once."""

    PAYMENT_TAKEN = "payment_taken"
    LOAD_PROVEN = "load_proven"
    LOAD_AFTER_DECISION = "load_after_decision"
    REFUND_STARTED = "refund_started"
    REFUND_DONE = "refund_done"
    WRITTEN_OFF = "written_off"
    FEE_EARNED = "fee_earned"
    REVERSAL = "reversal"


@dataclass(frozen=True, slots=True, order=True)
class Line:
    """One posting: whole fen, debit positive, credit negative."""

    account: Account
    amount_fen: int


@dataclass(frozen=True, slots=True)
class Journal:
    """One event in the books. ``subject_id`` is the payment whose money moves."""

    kind: JournalKind
    reference: str
    subject_id: str
    lines: tuple[Line, ...]

    def __post_init__(self) -> None:
        amounts = [line.amount_fen for line in self.lines]
        whole = all(type(amount) is int and amount != 0 for amount in amounts)
        if not whole or len(amounts) < 2 or sum(amounts) != 0:
            raise Unbalanced(details={"kind": str(self.kind), "reference": self.reference})


def move(
    kind: JournalKind, reference: str, subject_id: str, amount_fen: int, *, debit: Account, credit: Account
) -> Journal:
    """The plainest journal: one amount from one account to another."""
    return Journal(kind, reference, subject_id, (Line(debit, amount_fen), Line(credit, -amount_fen)))


def post(tx: Connection, journal: Journal, at: datetime) -> bool:
    """Book an event in the transaction that makes it true; False when it is booked already.

    Raises BookedDifferently when it is booked with other lines, and CalendarGap.
    """
    day = calendar.day_of(tx, at)
    journal_id = new_id("jrn")
    inserted = tx.execute(
        insert_or_skip(tx, journal_table).values(
            id=journal_id,
            kind=str(journal.kind),
            reference=journal.reference,
            subject_id=journal.subject_id,
            business_day=day,
            at=at,
        )
    )
    if inserted.rowcount == 0:
        _require_same(tx, journal)
        return False
    _open_accounts(tx, {line.account for line in journal.lines})
    rows = [
        {
            "journal_id": journal_id,
            "line": number,
            "account_id": line.account.id,
            "amount_fen": line.amount_fen,
        }
        for number, line in enumerate(journal.lines, start=1)
    ]
    tx.execute(posting.insert(), rows)
    return True


def reverse(tx: Connection, kind: JournalKind, reference: str, at: datetime) -> bool:
    """Undo an event by its opposite; False when that was done before. Raises NotBooked."""
    booked = find(tx, kind, reference)
    if booked is None:
        raise NotBooked(kind, reference)
    return post(tx, opposite(booked), at)


def opposite(journal: Journal) -> Journal:
    """The journal that undoes another one."""
    lines = tuple(Line(line.account, -line.amount_fen) for line in journal.lines)
    return Journal(JournalKind.REVERSAL, f"{journal.kind}:{journal.reference}", journal.subject_id, lines)


def find(tx: Connection, kind: JournalKind, reference: str) -> Journal | None:
    """The journal of an event, or None."""
    row = tx.execute(
        select(journal_table.c.id, journal_table.c.subject_id).where(
            journal_table.c.kind == str(kind), journal_table.c.reference == reference
        )
    ).one_or_none()
    if row is None:
        return None
    lines = tx.execute(
        select(posting.c.account_id, posting.c.amount_fen)
        .where(posting.c.journal_id == row.id)
        .order_by(posting.c.line)
    )
    return Journal(
        kind,
        reference,
        row.subject_id,
        tuple(Line(Account.parse(line.account_id), line.amount_fen) for line in lines),
    )


def _require_same(tx: Connection, journal: Journal) -> None:
    if find(tx, journal.kind, journal.reference) != journal:
        raise BookedDifferently(journal.kind, journal.reference)


def _open_accounts(tx: Connection, accounts: Iterable[Account]) -> None:
    # In one order, so that two phases that open the same accounts never wait for each other in a circle.
    rows = [{"id": each.id, "kind": str(each.kind), "owner": each.owner} for each in sorted(accounts)]
    tx.execute(insert_or_skip(tx, account_table).values(rows))
