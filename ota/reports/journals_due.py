"""The journals that must be in the books for one payment, derived from the facts, and how the books differ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ota.core.values import CityCode, Fen
from ota.ledger import books
from ota.ledger.books import Money
from ota.ledger.journals import Journal, opposite
from ota.reports.facts import Facts
from ota.reports.places import loaded_attempts
from ota.reports.rules import Complaint
from ota.topup import evidence
from ota.topup.states import RefundState, TopupState


def differences(facts: Facts) -> Iterator[Complaint]:
    """What the books say too much, too little or differently about one payment."""
    due = {(str(each.kind), each.reference): _lines(each) for each in _due(facts)}
    booked = {(each.kind, each.reference): each for each in facts.booked}
    for name in sorted(due.keys() - booked.keys()):
        yield "journal_missing", " ".join(name)
    for name in sorted(booked.keys() - due.keys()):
        yield "journal_unexpected", " ".join(name)
    for name in sorted(due.keys() & booked.keys()):
        if sorted(booked[name].lines) != sorted(due[name]):
            yield "journal_differs", f"{' '.join(name)}: {booked[name].lines}"
    for journal in facts.booked:
        if len(journal.lines) < 2 or sum(amount for _, amount in journal.lines) != 0:
            yield "journal_unbalanced", f"{journal.kind} {journal.reference}"


def _due(facts: Facts) -> Iterator[Journal]:
    row = facts.payment
    money = Money(row.id, row.channel, CityCode(row.city), Fen(row.amount_fen))
    yield books.payment_taken(money)
    if facts.refund is not None:
        yield from _refunds(money, facts.refund)
    if facts.issuance is not None and facts.issuance.state == "active":
        yield books.fee_earned(money)
    if not facts.serves_an_order or facts.order is None:
        return
    for attempt in loaded_attempts(facts):
        on_time = facts.order.state == TopupState.LOADED
        yield (
            books.load_proven(money, attempt.id) if on_time else books.load_after_decision(money, attempt.id)
        )
    for row in facts.evidence:
        if row.kind == evidence.CONFIRMED and row.attempt_id is None:  # a restore has forgotten the attempt
            yield books.load_proven(money, row.order_id)
        if row.kind == evidence.REVERSED:  # two people had confirmed what the card disproved later
            mistaken = books.load_proven(money, row.attempt_id)
            yield mistaken
            yield opposite(mistaken)
    if facts.order.state == TopupState.WRITTEN_OFF:
        yield books.written_off(money)


def _refunds(money: Money, refund: Any) -> Iterator[Journal]:
    for number in range(1, refund.round + 1):
        key = f"{refund.id}-{number}"
        started = books.refund_started(money, key)
        yield started
        if number < refund.round or refund.state == RefundState.FAILED:
            yield opposite(started)
        elif refund.state == RefundState.DONE:
            yield books.refund_done(money, key)


def _lines(journal: Journal) -> list[tuple[str, int]]:
    return [(line.account.id, line.amount_fen) for line in journal.lines]
