"""The facts about captured payments, read in chunks: what orders, cards, refunds and people have made of each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, Table, func, select

from ota.issuance.models import issuance_order
from ota.ledger.models import journal, posting
from ota.topup.models import evidence, load_attempt, payment, refund, topup_order

CHUNK: Final = 400


@dataclass(frozen=True, slots=True)
class Booked:
    """A journal as it stands in the books: its lines by account, debit positive."""

    kind: str
    reference: str
    business_day: date
    at: datetime
    lines: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """One payment, everything that happened to it, and what the books say about it.

    ``order`` is its top-up order, ``issuance`` the order whose fee it is; a surplus payment belongs to an order too,
    but the order's attempts are not about it.
    """

    payment: Row[Any]
    order: Row[Any] | None
    issuance: Row[Any] | None
    refund: Row[Any] | None
    attempts: Sequence[Row[Any]]
    evidence: Sequence[Row[Any]]
    booked: Sequence[Booked]

    @property
    def serves_an_order(self) -> bool:
        """Whether this payment is the one that its top-up order was paid with."""
        return self.payment.purpose == "topup" and self.payment.surplus is None


def count(tx: Connection) -> int:
    """How many payments there are."""
    return tx.execute(select(func.count()).select_from(payment)).scalar_one()


def read(tx: Connection) -> Iterator[Facts]:
    """The facts of every payment, in the order of their ids."""
    last = ""
    while chunk := tx.execute(
        select(payment).where(payment.c.id > last).order_by(payment.c.id).limit(CHUNK)
    ).all():
        yield from _facts(tx, chunk)
        last = chunk[-1].id


def _facts(tx: Connection, payments: Sequence[Row[Any]]) -> Iterator[Facts]:
    ids = [row.id for row in payments]
    order_ids = sorted({row.order_id for row in payments})
    orders = _by_id(tx, topup_order, order_ids)
    issuances = _by_id(tx, issuance_order, order_ids)
    refunds = {row.payment_id: row for row in tx.execute(select(refund).where(refund.c.payment_id.in_(ids)))}
    attempts = _by_order(tx, load_attempt, order_ids)
    proofs = _by_order(tx, evidence, order_ids)
    booked = _booked(tx, ids)
    for row in payments:
        serves = row.surplus is None
        yield Facts(
            payment=row,
            order=orders.get(row.order_id),
            issuance=issuances.get(row.order_id),
            refund=refunds.get(row.id),
            attempts=attempts[row.order_id] if serves else (),
            evidence=proofs[row.order_id] if serves else (),
            booked=booked[row.id],
        )


def _by_id(tx: Connection, table: Table, ids: Sequence[str]) -> Mapping[str, Row[Any]]:
    return {row.id: row for row in tx.execute(select(table).where(table.c.id.in_(ids)))}


def _by_order(tx: Connection, table: Table, ids: Sequence[str]) -> Mapping[str, list[Row[Any]]]:
    found: dict[str, list[Row[Any]]] = defaultdict(list)
    for row in tx.execute(select(table).where(table.c.order_id.in_(ids)).order_by(table.c.id)):
        found[row.order_id].append(row)
    return found


def _booked(tx: Connection, payment_ids: Sequence[str]) -> Mapping[str, list[Booked]]:
    rows = tx.execute(
        select(journal, posting.c.account_id, posting.c.amount_fen)
        .outerjoin(posting, posting.c.journal_id == journal.c.id)
        .where(journal.c.subject_id.in_(payment_ids))
        .order_by(journal.c.id, posting.c.line)
    ).all()
    lines: dict[str, list[tuple[str, int]]] = defaultdict(list)
    heads: dict[str, Row[Any]] = {}
    for row in rows:
        heads[row.id] = row
        if row.account_id is not None:
            lines[row.id].append((row.account_id, row.amount_fen))
    found: dict[str, list[Booked]] = defaultdict(list)
    for row in heads.values():
        found[row.subject_id].append(
            Booked(row.kind, row.reference, row.business_day, row.at, tuple(lines[row.id]))
        )
    return found
