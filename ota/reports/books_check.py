"""Recomputes the books from the first posting and holds them against everything else that tells of money.

Each payment is looked at for itself; the calendar is walked; every account's balance is compared with what the facts say
it must be, and with the list of what waits; and what the tables tell twice must be told alike (`ota.reports.told_twice`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain

from sqlalchemy import Connection, func, select

from ota.ledger.models import posting
from ota.reports import facts, journals_due, people, places, rules, steps, strays, suspense, trails
from ota.reports.days import Days
from ota.reports.facts import Facts

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
    report.differences += [*_calendar(calendar), *_told_twice(tx), *_balances(tx, due)]
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


def _told_twice(tx: Connection) -> Iterator[Difference]:
    for rule in chain(strays.rules(), steps.rules(), people.rules(), trails.rules()):
        for subject, what, detail in rule(tx):
            yield Difference(subject, what, detail)


def _balances(tx: Connection, due: Counter[str]) -> Iterator[Difference]:
    """Accounts whose postings do not add up to what the facts say, or whose money waits and is not in the list of it."""
    sums = select(posting.c.account_id, func.sum(posting.c.amount_fen)).group_by(posting.c.account_id)
    found = {name: int(total) for name, total in tx.execute(sums)}
    for name in sorted({*due, *found}):
        if found.get(name, 0) != due[name]:
            yield Difference(name, "balance", f"booked {found.get(name, 0)}, the facts say {due[name]}")
    listed: Counter[str] = Counter()
    for item in suspense.all_items(tx):
        listed[f"{item.account}:{item.city}"] += item.amount_fen
    waits = {name for name in found if name.startswith(("suspense:", "refund_payable:"))}
    for name in sorted(waits | set(listed)):
        if -found.get(name, 0) != listed[name]:
            yield Difference(name, "suspense", f"booked {-found.get(name, 0)}, listed {listed[name]}")
