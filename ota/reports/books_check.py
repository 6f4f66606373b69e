"""Recomputes the books from the first posting and holds them against orders, payments, attempts, refunds and evidence.

Each payment is looked at for itself; then what belongs to no payment is searched for, the calendar is walked, and every
account's balance is compared with what the facts say it must be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from sqlalchemy import Connection, and_, exists, func, not_, select

from ota.ledger.models import account, journal, posting
from ota.reports import facts, journals_due, places, rules
from ota.reports.days import Days
from ota.reports.facts import Facts
from ota.topup.models import payment, topup_order
from ota.topup.states import TopupState

Progress = Callable[[int], object]
"""Is told how many more payments were looked at."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that does not agree: ``what`` is a stable word, ``subject`` a payment, an order, an account or a day."""

    subject: str
    what: str
    detail: str


@dataclass(slots=True)
class BooksReport:
    """The sums of the facts, in fen, and every difference. Captured is what was taken, refunds not subtracted."""

    payments: int = 0
    journals: int = 0
    captured_fen: int = 0
    refunded_fen: int = 0
    on_cards_fen: int = 0
    suspense_fen: int = 0
    refund_payable_fen: int = 0
    fees_fen: int = 0
    written_off_fen: int = 0
    differences: list[Difference] = field(default_factory=list)


def check_books(tx: Connection, progress: Progress = lambda _payments: None) -> BooksReport:
    """Compare everything; ``tx`` is one consistent look at the database (`Store.snapshot`)."""
    report = BooksReport()
    due: Counter[str] = Counter()
    calendar = Days.of(tx)
    for each in facts.read(tx):
        _look_at(each, report, due, calendar)
        progress(1)
    report.differences += [*_calendar(calendar), *_strays(tx), *_balances(tx, due)]
    _sum_up(report, due)
    return report


def _look_at(each: Facts, report: BooksReport, due: Counter[str], calendar: Days) -> None:
    report.payments += 1
    report.journals += len(each.booked)
    report.captured_fen += each.payment.amount_fen
    for name, amount in places.balances(each):
        due[name] += amount
    wrong = [*rules.complaints(each), *journals_due.differences(each), *calendar.wrong_in(each)]
    report.differences += [Difference(each.payment.id, what, detail) for what, detail in wrong]


def _sum_up(report: BooksReport, due: Counter[str]) -> None:
    def total(kind: str) -> int:
        return sum(amount for name, amount in due.items() if name.partition(":")[0] == kind)

    report.refunded_fen = report.captured_fen - total("channel")
    report.on_cards_fen = -total("card_liability")
    report.suspense_fen = -total("suspense")
    report.refund_payable_fen = -total("refund_payable")
    report.fees_fen = -total("fee")
    report.written_off_fen = -total("loss")


def _calendar(calendar: Days) -> Iterator[Difference]:
    for day, detail in calendar.torn():
        yield Difference(day, "calendar", detail)


def _strays(tx: Connection) -> Iterator[Difference]:
    """Journals about no payment, paid orders without one, accounts whose name is not what they are."""
    no_payment = not_(exists().where(payment.c.id == journal.c.subject_id))
    for row in tx.execute(
        select(journal.c.kind, journal.c.reference, journal.c.subject_id).where(no_payment)
    ):
        yield Difference(row.subject_id, "journal_stray", f"{row.kind} {row.reference} is about no payment")
    theirs = and_(payment.c.order_id == topup_order.c.id, payment.c.surplus.is_(None))
    unpaid = (TopupState.CREATED, TopupState.CLOSED)
    moneyless = select(topup_order.c.id, topup_order.c.state).where(
        topup_order.c.state.not_in(unpaid), not_(exists().where(theirs))
    )
    for order in tx.execute(moneyless):
        yield Difference(order.id, "state", f"{order.state} without a payment")
    for known in tx.execute(select(account)):
        if known.id != f"{known.kind}:{known.owner}":
            yield Difference(known.id, "account", f"it says it is {known.kind} of {known.owner}")


def _balances(tx: Connection, due: Counter[str]) -> Iterator[Difference]:
    """Accounts whose postings do not add up to what the facts say."""
    sums = select(posting.c.account_id, func.sum(posting.c.amount_fen)).group_by(posting.c.account_id)
    found = {name: int(total) for name, total in tx.execute(sums)}
    for name in sorted({*due, *found}):
        if found.get(name, 0) != due[name]:
            yield Difference(name, "balance", f"booked {found.get(name, 0)}, the facts say {due[name]}")
