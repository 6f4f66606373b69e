"""The end of a run: every fen is looked for, on the cards, in the tables and with the customers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from ota.issuance.states import IssuanceState
from ota.ledger.accounts import AccountKind
from ota.ledger.models import business_day, journal
from ota.reports import books_check
from ota.sandbox.city_host import CityHost
from ota.sandbox.simulation import books, city_host, issued, promises
from ota.sandbox.simulation.books import Books, PaymentRow
from ota.sandbox.simulation.event_desk import EventDesk
from ota.sandbox.simulation.truth import Truth, Violated
from ota.store import audit_check
from ota.store.audit_check import Witness
from ota.topup.states import RefundState, TopupState

_WITH_PLATFORM: Final = frozenset(
    {TopupState.PAID, TopupState.LOADING, TopupState.UNCERTAIN, TopupState.HELD, TopupState.REFUNDING}
)
_IN_DOUBT: Final = frozenset({TopupState.LOADING, TopupState.UNCERTAIN, TopupState.HELD})
_BOOKS_NOTHING: Final = frozenset({"card_key_unknown", "paid_before_restore"})
"""Refusals after which whoever took the money has to look after it: nothing was promised."""
_UNFINISHED: Final = _IN_DOUBT | {TopupState.PAID, TopupState.REFUNDING}


@dataclass(frozen=True, slots=True)
class Verdict:
    """Fen that are nowhere, fen that are twice, and orders that found no end."""

    lost_fen: int
    doubled_fen: int
    not_converged: tuple[str, ...]
    complaint: str | None = None

    @property
    def ok(self) -> bool:
        """Whether every promise was kept."""
        return not (self.lost_fen or self.doubled_fen or self.not_converged or self.complaint)


def judge(
    truth: Truth,
    engine: sa.Engine,
    events: EventDesk,
    host: CityHost,
    stuck: Sequence[str],
    now: datetime,
    *,
    calm: bool,
) -> Verdict:
    """Look for every fen. ``calm`` False: the run was broken off, so that nothing had time to converge."""
    seen = books.read(engine)
    payments = books.read_payments(engine)
    lost, doubled = _count(truth, seen, payments)
    if not calm:
        return Verdict(lost, doubled, ())
    waiting = (*_unfinished(seen, stuck), *issued.unfinished(engine))
    complaint = (
        _complaint(truth, engine, events, seen, payments)
        or city_host.complaint(host, engine, truth)
        or _own_complaint(engine, now)
    )
    return Verdict(lost, doubled, waiting, complaint)


def _count(truth: Truth, seen: Books, payments: Sequence[PaymentRow]) -> tuple[int, int]:
    """Per order: what customers paid against what is on cards, with the platform, or given back."""
    captured: Counter[str] = Counter()
    found = books.on_cards(truth, seen, payments)
    for row in payments:
        trade = truth.trades.get(row.trade_no)
        captured[row.order_id] += trade.amount_fen if trade else 0
        found[row.order_id] += trade.returned_fen if trade else 0
        if row.serves and not row.is_fee:
            found[row.order_id] += _kept(seen, row.order_id, found[row.order_id])
        elif row.refund is not RefundState.DONE and (row.is_fee or row.refund is not None):
            found[row.order_id] += row.amount_fen  # earned, or on its way back
    differences = [captured[order_id] - found[order_id] for order_id in captured | found]
    return sum(each for each in differences if each > 0), -sum(each for each in differences if each < 0)


def _kept(seen: Books, order_id: str, elsewhere_fen: int) -> int:
    """What the platform says that it still has of an order, unless it is seen elsewhere."""
    order = seen.orders[order_id]
    return order.amount_fen if order.state in _WITH_PLATFORM and not elsewhere_fen else 0


def _unfinished(seen: Books, stuck: Sequence[str]) -> list[str]:
    """Orders that found no end though every card was there; then what stood in the way."""
    waiting = [f"{order.id} is {order.state}" for order in seen.orders.values() if order.state in _UNFINISHED]
    return [*waiting, *stuck]


def _complaint(
    truth: Truth, engine: sa.Engine, events: EventDesk, seen: Books, payments: Sequence[PaymentRow]
) -> str | None:
    """What else is not as it should be, in words; None when all is well."""
    try:
        promises.check(truth, seen, calm=True)
        _payments_are_true(truth, payments)
        _cards_add_up(truth)
        _loaded_is_loaded(truth, seen, payments)
        _returned_is_returned(truth, seen, payments, issued.states(engine))
        _books_are_true(truth, engine, payments)
        _days_are_the_calendars(engine)
        issued.check(truth, engine)
        events.check(seen)
    except Violated as violated:
        return str(violated)
    return None


def _own_complaint(engine: sa.Engine, now: datetime) -> str | None:
    """What the platform's own checks find: the books per city and channel, and the audit trail."""
    with engine.connect() as tx:
        for difference in books_check.check_books(tx).differences:
            return f"the books agree with everything: {difference}"
        for finding in audit_check.verify(tx, Witness(now)).findings:
            return f"the audit trail is as it was written: {finding}"
    return None


def _payments_are_true(truth: Truth, payments: Sequence[PaymentRow]) -> None:
    """Promise 3: what was taken is booked once, for what was paid."""
    rows = {row.trade_no: row for row in payments}
    for row in payments:
        trade = truth.trades.get(row.trade_no)
        if trade is None or trade.amount_fen != row.amount_fen:
            raise Violated("a payment was made", f"{row.trade_no} is booked with {row.amount_fen} fen")
    for trade in truth.trades.values():
        books_nothing = _BOOKS_NOTHING | ({"card_frozen"} if truth.leaves_open else set())
        is_wrong = trade.answer == "taken" or trade.refusal not in {"", *books_nothing}
        if is_wrong and trade.number not in rows:
            said = trade.refusal or "taken"
            raise Violated("no captured payment vanishes", f"{trade.number}: {said}, and is not booked")


def _cards_add_up(truth: Truth) -> None:
    for card in truth.cards:
        credited = sum(credit.amount_fen for credit in card.credits)
        if credited != card.held_fen or len(card.credits + card.others) != card.state.online_counter:
            raise Violated("cards add up", f"card …{card.digits[-4:]} holds other money than it took")


def _loaded_is_loaded(truth: Truth, seen: Books, payments: Sequence[PaymentRow]) -> None:
    """Card truth and orders are exactly equal: an order is loaded if and only if a card holds its money."""
    on_cards = books.on_cards(truth, seen, payments)
    for order in seen.orders.values():
        expected = order.amount_fen if order.state is TopupState.LOADED else 0
        if on_cards[order.id] != expected and order.state not in _IN_DOUBT:
            held = on_cards[order.id]
            raise Violated(
                "orders are what cards hold", f"{order.id} is {order.state}, {held} fen are on cards"
            )


def _returned_is_returned(
    truth: Truth, seen: Books, payments: Sequence[PaymentRow], cards: Mapping[str, IssuanceState]
) -> None:
    """Promise 4: customers have back what did not fit, was refunded or paid for no card, and nothing else."""
    for row in payments:
        if row.is_fee:
            is_over = cards[row.order_id] is IssuanceState.ABANDONED
        else:
            is_over = seen.orders[row.order_id].state is TopupState.REFUNDED
        expected = row.amount_fen if is_over or not row.serves else 0
        if truth.trades[row.trade_no].returned_fen != expected:
            returned = truth.trades[row.trade_no].returned_fen
            raise Violated(
                "refunds are what customers have back", f"{row.trade_no}: {returned} of {expected} fen"
            )


def _books_are_true(truth: Truth, engine: sa.Engine, payments: Sequence[PaymentRow]) -> None:
    """Promise 1: the ledger says what really is, to the fen."""
    trades = [truth.trades[row.trade_no] for row in payments]
    held = books.balances(engine)
    channels = sum(trade.amount_fen - trade.returned_fen for trade in trades)
    on_cards = sum(card.held_fen for card in truth.cards)
    fees = sum(row.amount_fen - truth.trades[row.trade_no].returned_fen for row in payments if row.is_fee)
    expected = {
        AccountKind.CHANNEL: channels,
        AccountKind.CARD_LIABILITY: -on_cards,
        AccountKind.FEE: -fees,
    }
    for kind in AccountKind:
        if held[kind] != expected.get(kind, 0):
            raise Violated(
                "the books are true", f"{kind}: {held[kind]} instead of {expected.get(kind, 0)} fen"
            )


def _days_are_the_calendars(engine: sa.Engine) -> None:
    """Promise 1, per business day: what happened stands on the day that holds its moment."""
    holds = sa.and_(business_day.c.starts_at <= journal.c.at, business_day.c.ends_at > journal.c.at)
    elsewhere = (
        sa.select(journal.c.id)
        .join(business_day, business_day.c.day == journal.c.business_day)
        .where(sa.not_(holds), business_day.c.closed_at.is_(None))
    )
    with engine.connect() as tx:
        if tx.execute(elsewhere.limit(1)).first() is not None:
            raise Violated("a business day is the calendar's", "a journal stands on another day")
