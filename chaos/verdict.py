"""The end of a run: every fen is looked for, on the cards, in the platform's tables and with the customers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from chaos.truth import Truth
from ota.issuance.models import issuance_order
from ota.issuance.states import FINAL as CARD_FINAL
from ota.store.outbox import outbox
from ota.store.phases import Store
from ota.topup.jobs import SEND_REFUND
from ota.topup.models import load_attempt, payment, refund, topup_order
from ota.topup.states import PENDING, AttemptState, TopupState

_FINAL: Final = frozenset({TopupState.LOADED, TopupState.REFUNDED, TopupState.CLOSED, TopupState.WRITTEN_OFF})
_WITH_PLATFORM: Final = frozenset(
    {TopupState.PAID, TopupState.LOADING, TopupState.UNCERTAIN, TopupState.HELD, TopupState.REFUNDING}
)
Row = sa.Row[Any]


@dataclass(frozen=True)
class Rows:
    """What the platform's tables say at one moment."""

    orders: Mapping[str, Row]
    payments: Mapping[str, Row]
    attempts: Sequence[Row]
    refunds: Mapping[str, Row]
    issuances: Sequence[Row]
    jobs: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Fen that are nowhere, fen that are twice, orders without an end, those whose end is explained, and the rest."""

    lost_fen: int
    doubled_fen: int
    not_converged: tuple[str, ...]
    explained: tuple[str, ...]
    complaints: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether every promise was kept."""
        return not (self.lost_fen or self.doubled_fen or self.not_converged or self.complaints)


def read(store: Store) -> Rows:
    """All rows, in one snapshot."""
    with store.snapshot() as tx:
        return Rows(
            {row.id: row for row in tx.execute(sa.select(topup_order))},
            {row.trade_no: row for row in tx.execute(sa.select(payment))},
            tx.execute(sa.select(load_attempt)).all(),
            {row.payment_id: row for row in tx.execute(sa.select(refund))},
            tx.execute(sa.select(issuance_order)).all(),
            tx.execute(sa.select(outbox)).all(),
        )


def judge(truth: Truth, rows: Rows) -> Verdict:
    """Hold the tables against what really happened."""
    lost, doubled = _count(truth, rows)
    unfinished = [row for row in rows.orders.values() if row.state not in _FINAL]
    explained = {row.id: why for row in unfinished if (why := _explanation(row, rows)) is not None}
    waiting = [f"{row.id} is {row.state}" for row in unfinished if row.id not in explained]
    waiting += [f"{row.id} is {row.state}" for row in rows.issuances if row.state not in CARD_FINAL]
    return Verdict(
        lost,
        doubled,
        tuple(sorted(waiting)),
        tuple(f"{order_id}: {why}" for order_id, why in sorted(explained.items())),
        tuple(_complaints(truth, rows)),
    )


def _count(truth: Truth, rows: Rows) -> tuple[int, int]:
    """Per order: what its customer paid against what is on a card, given back, or with the platform."""
    paid: Counter[str] = Counter()
    found = _on_cards(truth, rows)
    for intent in truth.intents:
        if intent.order_id is None:
            continue  # nobody was told that the money was taken; whatever was taken is a payment without an intent
        paid[intent.order_id] += intent.amount_fen
        found[intent.order_id] += truth.returned_fen[intent.trade_no]
        order = rows.orders.get(intent.order_id)
        if order is not None and order.state in _WITH_PLATFORM and not found[intent.order_id]:
            found[intent.order_id] += order.amount_fen
    differences = [paid[order_id] - found[order_id] for order_id in paid | found]
    return sum(each for each in differences if each > 0), -sum(each for each in differences if each < 0)


def _on_cards(truth: Truth, rows: Rows) -> Counter[str]:
    """What cards hold, by the order that the platform has for it; a card's counter names one credit."""
    loads = {
        (row.card_no, row.online_atc): row.order_id
        for row in sorted(rows.attempts, key=lambda row: row.state == AttemptState.LOADED)
    }
    amounts: Counter[str] = Counter()
    for card in truth.cards:
        for counter, fen in card.credits:
            amounts[loads.get((card.number, counter), f"nobody: {card.number} at {counter}")] += fen
    return amounts


def _explanation(order: Row, rows: Rows) -> str | None:
    """Why an order may still be open: its refund is under way, and a job stands for it."""
    if order.state is not TopupState.REFUNDING:
        return None
    due = {job.subject_id for job in rows.jobs if job.job == SEND_REFUND and job.dead_at is None}
    for found in rows.refunds.values():
        if found.order_id == order.id and found.state in PENDING and found.id in due:
            return f"its refund is {found.state} and will be asked for"
    return None


def _complaints(truth: Truth, rows: Rows) -> Iterator[str]:
    yield from (f"answered {what}, {times} times" for what, times in sorted(truth.mistakes.items()))
    yield from (
        f"{job.job} for {job.subject_id} is dead: {job.last_error}" for job in rows.jobs if job.dead_at
    )
    yield from _payments(truth, rows)
    yield from _cards(truth, rows)
    yield from _acknowledged(truth, rows)


def _payments(truth: Truth, rows: Rows) -> Iterator[str]:
    """Every payment was made by a customer, for that much; every one that was acknowledged is there."""
    intents = {intent.trade_no: intent for intent in truth.intents}
    for trade, row in rows.payments.items():
        intent = intents.get(trade)
        if intent is None or intent.amount_fen != row.amount_fen:
            yield f"payment {trade} of {row.amount_fen} fen was never made"
        elif intent.order_id not in (None, row.order_id):
            yield f"payment {trade} stands for {row.order_id}, the wallet was told {intent.order_id}"
    for intent in truth.intents:
        if intent.order_id is not None and intent.trade_no not in rows.payments:
            yield f"payment {intent.trade_no} was acknowledged and is gone"


def _cards(truth: Truth, rows: Rows) -> Iterator[str]:
    """A purse holds exactly its loaded orders, credit by credit."""
    for card in truth.cards:
        loaded = sorted(
            (row.online_atc, row.amount_fen)
            for row in rows.attempts
            if row.card_no == card.number and row.state == AttemptState.LOADED
        )
        if sorted(card.credits) != loaded:
            strange = sorted(set(card.credits) ^ set(loaded))
            yield f"card …{str(card.number)[-5:]}: purse and platform differ at {strange[:3]}"
        if sum(fen for _, fen in card.credits) != card.state.balance:
            yield f"card …{str(card.number)[-5:]} holds {card.state.balance} fen, its credits are others"


def _acknowledged(truth: Truth, rows: Rows) -> Iterator[str]:
    """What a phone was told is so."""
    for intent in truth.intents:
        if intent.order_id is None:
            continue
        order = rows.orders.get(intent.order_id)
        if order is None:
            yield f"order {intent.order_id} was acknowledged and is gone"
        elif intent.state == "loaded" and order.state is not TopupState.LOADED:
            yield f"order {order.id} was acknowledged as loaded and is {order.state}"
