"""What the platform's tables say, read past the platform: orders, attempts and payments of one run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import sqlalchemy as sa

from ota.events.models import wallet_event
from ota.ledger.models import account, posting
from ota.sandbox.simulation.cards import Card, Credit
from ota.sandbox.simulation.truth import Truth
from ota.store.outbox import outbox
from ota.topup.models import load_attempt, payment, refund, topup_order
from ota.topup.states import LIVE, AttemptState, PaymentPurpose, RefundState, TopupState

LoadKey = tuple[str, int, str, str, str]
"""One load of one card, as card and platform both know it: number, counter before it, random, terminal, date and time."""


@dataclass(frozen=True, slots=True)
class OrderRow:
    """One order."""

    id: str
    card: str
    amount_fen: int
    state: TopupState
    caller: str


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One attempt."""

    order_id: str
    key: LoadKey
    amount_fen: int
    state: AttemptState
    key_version: int

    @property
    def card(self) -> str:
        """The number of its card."""
        return self.key[0]

    @property
    def live(self) -> bool:
        """Whether its MAC2 may still become money."""
        return self.state in LIVE


@dataclass(frozen=True)
class Books:
    """All rows at one moment."""

    orders: Mapping[str, OrderRow]
    attempts: tuple[AttemptRow, ...]

    def is_booked_by_another(self, dead: AttemptRow) -> bool:
        """Whether another attempt of the same order counts as the load that used up this one's counter."""
        return any(
            (each.order_id, each.key[:2], each.state) == (dead.order_id, dead.key[:2], AttemptState.LOADED)
            for each in self.attempts
        )

    @cached_property
    def by_key(self) -> Mapping[LoadKey, AttemptRow]:
        """Attempts by the load that they are for."""
        return {attempt.key: attempt for attempt in self.attempts}


@dataclass(frozen=True, slots=True)
class PaymentRow:
    """One payment that the platform took."""

    order_id: str
    trade_no: str
    amount_fen: int
    serves: bool
    """Whether it is the payment of its order; else it is surplus and goes back."""
    is_fee: bool
    """Whether it pays for a card, and its order is an issuance."""
    refund: RefundState | None
    """How far it is on its way back, if it is."""


def read(engine: sa.Engine) -> Books:
    """Orders and attempts as they are now."""
    with engine.connect() as tx:
        orders = tx.execute(
            sa.select(
                topup_order.c.id,
                topup_order.c.card_no,
                topup_order.c.amount_fen,
                topup_order.c.state,
                topup_order.c.caller_id,
            ).order_by(topup_order.c.id)
        ).all()
        attempts = tx.execute(sa.select(load_attempt).order_by(load_attempt.c.id)).all()
    return Books(
        {row.id: OrderRow(*row) for row in orders},
        tuple(
            AttemptRow(
                row.order_id,
                (row.card_no, row.online_atc, row.random, row.terminal_no, row.host_time),
                row.amount_fen,
                row.state,
                row.key_version,
            )
            for row in attempts
        ),
    )


def card_of(engine: sa.Engine, event_id: str) -> str:
    """The whole number of the card that an event is about."""
    query = sa.select(wallet_event.c.card_no).where(wallet_event.c.id == event_id)
    with engine.connect() as tx:
        return str(tx.execute(query).scalar_one())


def read_payments(engine: sa.Engine) -> list[PaymentRow]:
    """Every payment that the platform took."""
    with engine.connect() as tx:
        back = sa.select(payment, refund.c.state.label("refund_state")).outerjoin(
            refund, refund.c.payment_id == payment.c.id
        )
        rows = tx.execute(back.order_by(payment.c.id))
        return [
            PaymentRow(
                row.order_id,
                row.trade_no,
                row.amount_fen,
                row.surplus is None,
                row.purpose is PaymentPurpose.FEE,
                row.refund_state,
            )
            for row in rows
        ]


def refund_of(engine: sa.Engine, order_id: str) -> tuple[str, str]:
    """The refund of an order, and the trade that it gives back."""
    query = (
        sa.select(refund.c.id, payment.c.trade_no)
        .join(payment, payment.c.id == refund.c.payment_id)
        .where(payment.c.order_id == order_id, payment.c.surplus.is_(None))
    )
    with engine.connect() as tx:
        row = tx.execute(query).one()
    return row.id, row.trade_no


def balances(engine: sa.Engine) -> Counter[str]:
    """What each kind of account holds, in fen: debits positive, credits negative."""
    total = sa.func.sum(posting.c.amount_fen)
    query = sa.select(account.c.kind, total).join(account, account.c.id == posting.c.account_id)
    with engine.connect() as tx:
        rows = tx.execute(query.group_by(account.c.kind)).all()
    return Counter({kind: int(fen) for kind, fen in rows})


def jobs_waiting(engine: sa.Engine) -> int:
    """How many jobs are still to be done. One that failed too often waits for a person; a sweep has taken up its work."""
    query = sa.select(sa.func.count()).select_from(outbox).where(outbox.c.dead_at.is_(None))
    with engine.connect() as tx:
        return int(tx.execute(query).scalar_one())


def on_cards(truth: Truth, seen: Books, payments: Sequence[PaymentRow]) -> Counter[str]:
    """Fen that cards took, by order. What a restore forgot counts for the order that has its trade now."""
    paid_with = {row.trade_no: row.order_id for row in payments if row.serves}
    amounts: Counter[str] = Counter()
    for card in truth.cards:
        for credit in card.credits:
            key = key_of(card, credit)
            attempt = seen.by_key.get(key)
            forgotten = paid_with.get(truth.forgotten_loads.get(key, ""), "nobody")
            amounts[attempt.order_id if attempt is not None else forgotten] += credit.amount_fen
    return amounts


def key_of(card: Card, credit: Credit) -> LoadKey:
    """The load that a card's credit was."""
    return card.digits, credit.counter, credit.random, credit.terminal, credit.at
