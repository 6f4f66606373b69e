"""Each action that two people may decide: whose city it concerns, whether it is possible, and how it is carried out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from ota.city_hosts import hosted
from ota.core.errors import NotFound
from ota.core.values import CardNumber, CityCode
from ota.issuance import abandonment
from ota.issuance import orders as issuance_orders
from ota.issuance.states import ISSUANCE, IssuanceEvent, IssuanceState
from ota.registry import cards
from ota.registry.cards import Card
from ota.registry.states import CARD, CardEvent
from ota.service_desk.states import Action
from ota.topup import evidence, orders, payments, refund_rows, refunds, restored, write_offs
from ota.topup.orders import TopupOrder
from ota.topup.states import REFUND, TOPUP, RefundEvent, RefundState, TopupEvent, TopupState

Decision = Mapping[str, object]
"""Who stands for it: kept as evidence."""


@dataclass(frozen=True, slots=True)
class Conduct:
    """Whose city an action concerns; how it is checked when it is proposed and done when it is approved.

    The first two raise what stands against it; nobody is told that about a city that is not theirs. ``about`` is what the
    people looked at (an order's attempt, a card's reason), None where an action has none: it goes with the proposal.
    ``needs_proof``: whether what the card said is not enough for it.
    """

    city_of: Callable[[Connection, str], CityCode]
    check: Callable[[Connection, str], None]
    carry_out: Callable[[Connection, str, Decision, str, datetime], object]
    about: Callable[[Connection, str], str | None] = lambda _tx, _subject: None
    needs_proof: Callable[[Connection, str], bool] = lambda _tx, _subject: False


def _city_of_order(tx: Connection, order_id: str) -> CityCode:
    return orders.get(tx, order_id).city


def _city_of_refund(tx: Connection, refund_id: str) -> CityCode:
    return payments.get(tx, refund_rows.get(tx, refund_id).payment_id).city


def _city_of_card(tx: Connection, card_no: str) -> CityCode:
    return _card(tx, card_no).city


def _attempt_of_order(tx: Connection, order_id: str) -> str:
    return write_offs.attempt_in_question(tx, orders.get(tx, order_id))


def _attempt_of_refund(tx: Connection, refund_id: str) -> str | None:
    payment = payments.get(tx, refund_rows.get(tx, refund_id).payment_id)
    return _attempt_of_order(tx, payment.order_id) if refund_rows.returns_an_order(payment) else None


def _reason_of_card(tx: Connection, card_no: str) -> str | None:
    return _card(tx, card_no).frozen_reason


def _check_refund(tx: Connection, order_id: str) -> None:
    order = orders.get(tx, order_id)
    if order.state is not TopupState.PAID:
        TOPUP.after(order.state, TopupEvent.REFUND_DECIDED)
    write_offs.require_not_on_the_card(tx, order_id)


def _check_write_off(tx: Connection, order_id: str) -> None:
    TOPUP.after(orders.get(tx, order_id).state, TopupEvent.WRITTEN_OFF)


def _check_confirm(tx: Connection, order_id: str) -> None:
    write_offs.require_confirmable(tx, orders.get(tx, order_id))


def _check_reverse(tx: Connection, order_id: str) -> None:
    write_offs.require_mistaken(tx, orders.get(tx, order_id))


def _check_release_order(tx: Connection, order_id: str) -> None:
    restored.require_releasable(tx, orders.get(tx, order_id))


def _check_record(tx: Connection, order_id: str) -> None:
    restored.require_held(orders.get(tx, order_id), Action.RECORD_REFUND)
    write_offs.require_not_on_the_card(tx, order_id)


def _check_again(tx: Connection, refund_id: str) -> None:
    refund = refund_rows.get(tx, refund_id)
    REFUND.after(refund.state, RefundEvent.STARTED_AGAIN)
    payment = payments.get(tx, refund.payment_id)
    if refund_rows.returns_an_order(payment):
        write_offs.require_not_on_the_card(tx, payment.order_id)


def _check_by_hand(tx: Connection, refund_id: str) -> None:
    refund = refund_rows.get(tx, refund_id)
    if refund.state is not RefundState.FAILED:
        REFUND.after(refund.state, RefundEvent.PAID_BY_HAND)


def _check_release(tx: Connection, card_no: str) -> None:
    CARD.after(_card(tx, card_no).state, CardEvent.RELEASED)


def _city_of_issuance(tx: Connection, order_id: str) -> CityCode:
    return issuance_orders.get(tx, order_id).city


def _check_abandon(tx: Connection, order_id: str) -> None:
    ISSUANCE.after(issuance_orders.get(tx, order_id).state, IssuanceEvent.GIVEN_UP)


def _refund(tx: Connection, order_id: str, decision: Decision, actor: str, now: datetime) -> TopupOrder:
    return write_offs.refund(tx, write_offs.lock(tx, order_id, now), decision, actor, now)


def _write_off(tx: Connection, order_id: str, decision: Decision, actor: str, now: datetime) -> TopupOrder:
    return write_offs.write_off(tx, write_offs.lock(tx, order_id, now), decision, actor, now)


def _confirm(tx: Connection, order_id: str, decision: Decision, actor: str, now: datetime) -> TopupOrder:
    return write_offs.confirm_load(tx, write_offs.lock(tx, order_id, now), decision, actor, now)


def _reverse(tx: Connection, order_id: str, decision: Decision, actor: str, now: datetime) -> TopupOrder:
    order = write_offs.lock(tx, order_id, now)
    mistaken = write_offs.require_mistaken(tx, order)
    hosted.take_back(tx, mistaken.id, now)
    return write_offs.reverse_confirmation(tx, order, decision, actor, now)


def _release_order(
    tx: Connection, order_id: str, decision: Decision, actor: str, now: datetime
) -> TopupOrder:
    order = write_offs.release_order(tx, write_offs.lock(tx, order_id, now), decision, actor, now)
    if order.state is TopupState.PAID and order.issuance_id is not None:
        _return_if_there_is_no_card(tx, order.issuance_id, now)
    return orders.get(tx, order_id)


def _return_if_there_is_no_card(tx: Connection, issuance_id: str, now: datetime) -> None:
    """The first load of a card that was given up has nowhere to go but back, as at the moment when it was given up."""
    if issuance_orders.get(tx, issuance_id).state is IssuanceState.ABANDONED:
        refunds.card_not_made(tx, issuance_id, now)


def _record(tx: Connection, order_id: str, decision: Decision, actor: str, now: datetime) -> TopupOrder:
    return write_offs.record_refund(tx, write_offs.lock(tx, order_id, now), decision, actor, now)


def _again(tx: Connection, refund_id: str, decision: Decision, actor: str, now: datetime) -> object:
    return write_offs.refund_again(tx, refund_id, decision, actor, now)


def _by_hand(tx: Connection, refund_id: str, decision: Decision, actor: str, now: datetime) -> object:
    return write_offs.refund_by_hand(tx, refund_id, decision, actor, now)


def _abandon(tx: Connection, order_id: str, _decision: Decision, _actor: str, now: datetime) -> object:
    order = abandonment.abandon(tx, order_id, now)
    refunds.card_not_made(tx, order.id, now)
    return order


def _release(tx: Connection, card_no: str, decision: Decision, actor: str, now: datetime) -> Card:
    known = _card(tx, card_no)
    return write_offs.release_card(tx, cards.lock(tx, known.number, known.city, now), decision, actor, now)


def _card(tx: Connection, card_no: str) -> Card:
    known = cards.find(tx, CardNumber(card_no))
    if known is None:
        raise NotFound
    return known


CONDUCT: Final[Mapping[Action, Conduct]] = {
    Action.REFUND: Conduct(_city_of_order, _check_refund, _refund, _attempt_of_order),
    Action.WRITE_OFF: Conduct(_city_of_order, _check_write_off, _write_off, _attempt_of_order),
    Action.CONFIRM_LOAD: Conduct(_city_of_order, _check_confirm, _confirm, _attempt_of_order),
    Action.REVERSE_CONFIRMATION: Conduct(
        _city_of_order, _check_reverse, _reverse, needs_proof=evidence.rests_on_weak_proof
    ),
    Action.REFUND_AGAIN: Conduct(_city_of_refund, _check_again, _again, _attempt_of_refund),
    Action.REFUND_BY_HAND: Conduct(_city_of_refund, _check_by_hand, _by_hand, _attempt_of_refund),
    Action.ABANDON_ISSUANCE: Conduct(_city_of_issuance, _check_abandon, _abandon),
    Action.RELEASE_ORDER: Conduct(_city_of_order, _check_release_order, _release_order),
    Action.RECORD_REFUND: Conduct(_city_of_order, _check_record, _record),
    Action.RELEASE_CARD: Conduct(_city_of_card, _check_release, _release, _reason_of_card),
}
