"""The service desk when all is calm: two people compare what is held with cards and wallets, and decide.

After a restore about everything; otherwise about cards of cities in which a card alone cannot always tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import sqlalchemy as sa

from ota.core.errors import OtaError
from ota.core.principal import CallerKind, Principal
from ota.issuance.models import issuance_order
from ota.issuance.states import IssuanceState
from ota.registry.models import card
from ota.registry.states import CardState
from ota.sandbox.simulation import books, practice
from ota.sandbox.simulation.books import Books, PaymentRow
from ota.sandbox.simulation.trace import Trace
from ota.sandbox.simulation.truth import Truth
from ota.service_desk.service import Decisions, Proposal
from ota.service_desk.states import PROVEN, Action
from ota.topup.evidence import RESTORED
from ota.topup.models import evidence, load_attempt, payment, refund, topup_order
from ota.topup.states import AttemptState, RefundState, TopupState

_MAKER: Final = Principal(CallerKind.STAFF, "clerk")
_CHECKER: Final = Principal(CallerKind.STAFF, "supervisor")
_PROOF: Final = "the wallet's list and the card"
_GIVEN_UP: Final = (AttemptState.DECIDED, AttemptState.GIVEN_UP)


class Comparison:
    """Two people with the wallets' lists and every card at hand."""

    def __init__(self, engine: sa.Engine, truth: Truth, trace: Trace) -> None:
        self._engine = engine
        self._truth = truth
        self._trace = trace

    def decide(self, desk: Decisions, *, is_last: bool) -> None:
        """Everything that can be decided now; ``is_last``: also about orders that their cards left open."""
        for left_open in desk.waiting(_CHECKER):  # a proposal of before the calm stands in the way of others
            desk.reject(_CHECKER, left_open.id)
        seen, payments = books.read(self._engine), books.read_payments(self._engine)
        for order_id in self._orders(TopupState.HELD):
            self._decide(desk, self._about(order_id, seen, payments), order_id)
        for order_id in self._orders(TopupState.UNCERTAIN) if is_last else ():
            on_card = order_id in books.on_cards(self._truth, seen, payments)
            self._decide(desk, Action.CONFIRM_LOAD if on_card else Action.REFUND, order_id)
        for order_id in self._stopped_issuances() if is_last else ():
            self._decide(desk, Action.ABANDON_ISSUANCE, order_id)
        for refund_id, trade_no in self._refused_refunds():
            returned = self._truth.trades[trade_no].returned_fen
            self._decide(desk, Action.REFUND_BY_HAND if returned else Action.REFUND_AGAIN, refund_id)
        for refund_id, trade_no, amount_fen in self._unsent_refunds():
            self._truth.trades[trade_no].returned_fen += amount_fen  # at the counter
            self._decide(desk, Action.REFUND_BY_HAND, refund_id)
        for number in self._frozen_cards():
            self._decide(desk, Action.RELEASE_CARD, number)

    def _about(self, order_id: str, seen: Books, payments: list[PaymentRow]) -> Action:
        """What became of a held order's money: on a card, paid back, or neither."""
        (trade_no,) = (row.trade_no for row in payments if row.order_id == order_id and row.serves)
        if books.on_cards(self._truth, seen, payments)[order_id]:
            return Action.CONFIRM_LOAD
        if self._truth.trades[trade_no].returned_fen:
            return Action.RECORD_REFUND
        return Action.REFUND if self._has_more_against_it(order_id) else Action.RELEASE_ORDER

    def _has_more_against_it(self, order_id: str) -> bool:
        """Whether not the restore alone holds an order: its card does, it was held before, or people gave a load of it up.

        Such an order cannot go on (docs/operations.md).
        """
        by_restore = sa.select(topup_order.c.restore_id).where(topup_order.c.id == order_id)
        told = sa.select(evidence.c.data).where(evidence.c.order_id == order_id, evidence.c.kind == RESTORED)
        given_up = sa.select(load_attempt.c.id).where(
            load_attempt.c.order_id == order_id, load_attempt.c.state.in_(_GIVEN_UP)
        )
        with self._engine.connect() as tx:
            was_held = any(data["before"] == TopupState.HELD for data in tx.execute(told).scalars())
            is_given_up = tx.execute(given_up).first() is not None
            return tx.execute(by_restore).scalar_one() is None or was_held or is_given_up

    def _decide(self, desk: Decisions, action: Action, subject: str) -> None:
        proof = {"proof": _PROOF} if action in PROVEN else {}
        try:
            proposed = desk.propose(_MAKER, Proposal(action, subject, "cards and lists were compared", proof))
            desk.approve(_CHECKER, proposed.id)
        except OtaError as refusal:
            self._trace.note("service desk", f"cannot {action} {subject[-8:]}: {refusal.problem_code}")
            return
        if action is Action.CONFIRM_LOAD:
            self._truth.confirmed.add(subject)
        self._trace.note("service desk", f"{action} {subject[-8:]}")

    def _orders(self, state: TopupState) -> list[str]:
        asked = topup_order.c.card_no.in_(self._cards())
        query = sa.select(topup_order.c.id).where(topup_order.c.state == state, asked)
        return self._ids(query.order_by(topup_order.c.id))

    def _stopped_issuances(self) -> list[str]:
        stopped = issuance_order.c.restore_id.is_not(None) & issuance_order.c.state.in_(
            (IssuanceState.UNCERTAIN, IssuanceState.ROLLING_BACK)
        )
        return self._ids(sa.select(issuance_order.c.id).where(stopped).order_by(issuance_order.c.id))

    def _frozen_cards(self) -> list[str]:
        asked = card.c.card_no.in_(self._cards())
        query = sa.select(card.c.card_no).where(card.c.state == CardState.FROZEN, asked)
        return self._ids(query.order_by(card.c.card_no))

    def _cards(self) -> list[str]:
        """The numbers of the cards that people are asked about."""
        return [
            each.digits
            for each in self._truth.cards
            if self._truth.restores or each.city.name in practice.CITIES
        ]

    def _refused_refunds(self) -> Iterator[tuple[str, str]]:
        query = (
            sa.select(refund.c.id, payment.c.trade_no, topup_order.c.state)
            .join(payment, payment.c.id == refund.c.payment_id)
            .outerjoin(topup_order, (topup_order.c.id == payment.c.order_id) & payment.c.surplus.is_(None))
            .where(refund.c.state == RefundState.FAILED)
            .order_by(refund.c.id)
        )
        with self._engine.connect() as tx:
            rows = tx.execute(query).all()
        # One whose order goes on is no refund any more: its money is loaded, or was decided about with the order.
        return ((row.id, row.trade_no) for row in rows if row.state is None)

    def _unsent_refunds(self) -> list[tuple[str, str, int]]:
        """Of payments at terminals, which no server gives back."""
        query = (
            sa.select(refund.c.id, payment.c.trade_no, refund.c.amount_fen)
            .join(payment, payment.c.id == refund.c.payment_id)
            .where(refund.c.state == RefundState.REQUESTED, refund.c.caller_id.like("sandbox-terminal%"))
            .order_by(refund.c.id)
        )
        with self._engine.connect() as tx:
            return [(row.id, row.trade_no, row.amount_fen) for row in tx.execute(query)]

    def _ids(self, query: sa.Select[tuple[str]]) -> list[str]:
        with self._engine.connect() as tx:
            return [str(found) for found in tx.execute(query).scalars()]
