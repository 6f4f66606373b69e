"""What two people may decide about an order whose card never told: its money goes back, or it is written off.

Evidence still counts afterwards: the attempt stays live until a contact with the card shows what became of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection

from ota.core.errors import NotInThisState
from ota.ledger import books, journals
from ota.ledger.journals import JournalKind
from ota.registry import cards
from ota.registry.cards import Card
from ota.store import audit
from ota.store.audit import Entry
from ota.topup import attempts, evidence, orders, payments, refund_rows, refunds, restored
from ota.topup.attempts import Attempt
from ota.topup.errors import DecisionOutdated, OnTheCard
from ota.topup.orders import TopupOrder
from ota.topup.refund_rows import Refund
from ota.topup.settlement import book_loaded
from ota.topup.states import (
    OPEN,
    TOPUP,
    AttemptEvent,
    AttemptState,
    RefundEvent,
    RefundReason,
    RefundState,
    TopupEvent,
    TopupState,
)

_IN_QUESTION = frozenset({TopupState.UNCERTAIN, TopupState.HELD})


def lock(tx: Connection, order_id: str, now: datetime) -> TopupOrder:
    """The order under its card's lock; raises NotFound."""
    order = orders.get(tx, order_id)
    if cards.find(tx, order.card) is not None:  # a card that was never met has no attempt to be raced for
        cards.lock(tx, order.card, order.city, now)
    return orders.lock(tx, order_id)


def attempt_in_question(tx: Connection, order: TopupOrder) -> str:
    """The id of the order's attempt whose outcome is open now; empty where there is none."""
    live = attempts.live(tx, order.card)
    return live.id if live is not None and live.order_id == order.id and live.state in OPEN else ""


def _require_same_attempt(tx: Connection, order: TopupOrder, decision: Mapping[str, object]) -> None:
    """Raise DecisionOutdated when another attempt is open by now than the one that was proposed about."""
    if "about" in decision and attempt_in_question(tx, order) not in {"", decision["about"]}:
        raise DecisionOutdated


def require_not_on_the_card(tx: Connection, order_id: str) -> None:
    """Raise OnTheCard when a load of this order is proven: no decision makes a card give money back."""
    if AttemptState.LOADED in attempts.states_of(tx, order_id):
        raise OnTheCard


def refund(
    tx: Connection, order: TopupOrder, decision: Mapping[str, object], actor: str, now: datetime
) -> TopupOrder:
    """Give the money back, also where nobody proved that the card does not hold it.

    The caller holds card and order (`lock`), and two people's word. Raises NotInThisState, OnTheCard, DecisionOutdated.
    """
    if order.state is TopupState.PAID:
        evidence.note(tx, order.id, None, "four_eyes", decision, now)
        return refunds.return_unloaded(tx, order, RefundReason.FOUR_EYES, now, actor)
    TOPUP.after(order.state, TopupEvent.REFUND_DECIDED)
    require_not_on_the_card(tx, order.id)
    _require_same_attempt(tx, order, decision)
    _set_aside(tx, order, decision, now)
    refunds.started(tx, payments.of_order(tx, order.id), RefundReason.FOUR_EYES, now, actor)
    return order.step(tx, TopupEvent.REFUND_DECIDED, now, decision)


def write_off(
    tx: Connection, order: TopupOrder, decision: Mapping[str, object], actor: str, now: datetime
) -> TopupOrder:
    """Give the question up: the money goes to the loss account. Raises NotInThisState, DecisionOutdated."""
    order = order.step(tx, TopupEvent.WRITTEN_OFF, now, decision)
    _require_same_attempt(tx, order, decision)
    _set_aside(tx, order, decision, now)
    journals.post(tx, books.written_off(payments.of_order(tx, order.id).money), now)
    _tell(tx, order, "written_off", decision, actor, now)
    return order


def require_in_question(tx: Connection, order: TopupOrder) -> Attempt:
    """The attempt of an uncertain or held order that may be on the card; raises NotInThisState where there is none."""
    live = attempts.live(tx, order.card)
    if order.state not in _IN_QUESTION or live is None or live.order_id != order.id or live.state not in OPEN:
        raise NotInThisState("top-up", order.state, "load_confirmed")
    return live


def require_confirmable(tx: Connection, order: TopupOrder) -> None:
    """Raise NotInThisState unless two people may say that the order's money is on the card; raises OnTheCard."""
    if restored.is_held(order):
        require_not_on_the_card(tx, order.id)
    elif denied_by_mistake(tx, order) is None:
        require_in_question(tx, order)


def denied_by_mistake(tx: Connection, order: TopupOrder) -> Attempt | None:
    """The dead attempt of a held order for which evidence has come up after all, or None.

    Not one that two people took back before: its booking stands reversed.
    """
    latest = attempts.latest(tx, order.id)
    if order.state is not TopupState.HELD or latest is None or latest.state is not AttemptState.DEAD:
        return None
    is_mistake = evidence.denial_is_in_doubt(tx, order.id)
    return latest if is_mistake and evidence.REVERSED not in evidence.about(tx, latest.id) else None


def confirm_load(
    tx: Connection, order: TopupOrder, decision: Mapping[str, object], actor: str, now: datetime
) -> TopupOrder:
    """Book a load that two people saw on the card. Raises NotInThisState, DecisionOutdated.

    The card's counter is not known better by that: its next verified one is believed. After a restore the attempt
    itself may be forgotten; the money is on the card all the same.
    """
    _require_same_attempt(tx, order, decision)
    if restored.is_held(order):
        loaded = restored.book_loaded(tx, order, decision, now)
    elif (denied := denied_by_mistake(tx, order)) is not None:
        evidence.note(tx, order.id, denied.id, evidence.CONFIRMED, decision, now)
        loaded = book_loaded(tx, denied, "four_eyes", now, AttemptEvent.SEEN_AFTER_ALL)
    else:
        live = require_in_question(tx, order)
        evidence.note(tx, order.id, live.id, evidence.CONFIRMED, decision, now)
        loaded = book_loaded(tx, live, "four_eyes", now)
    if loaded is None:  # the card's counter says that another load took its place
        raise NotInThisState("top-up", order.state, "load_confirmed")
    cards.believe_next(tx, order.card, now)
    _tell(tx, order, "load_confirmed", decision, actor, now)
    return loaded


def require_mistaken(tx: Connection, order: TopupOrder) -> Attempt:
    """The attempt that two people confirmed, and that its card has disproved since; raises NotInThisState.

    What the card itself has proven is not taken back, whatever it says later.
    """
    confirmed = attempts.loaded(tx, order.id)
    told = evidence.about(tx, confirmed.id) if confirmed is not None else frozenset()
    is_denied = {evidence.CONFIRMED, evidence.NOT_MOVED} <= told
    if confirmed is None or not is_denied or told & evidence.PROOFS:
        raise NotInThisState("top-up", order.state, "confirmation_reversed")
    return confirmed


def reverse_confirmation(
    tx: Connection, order: TopupOrder, decision: Mapping[str, object], actor: str, now: datetime
) -> TopupOrder:
    """Take back what two people confirmed by mistake: the order is paid again. Raises NotInThisState.

    The card proved it: a fresh MAC1 over the counter that the load would have used up, with its MAC2 dead by that.
    """
    mistaken = require_mistaken(tx, order)
    mistaken.step(tx, AttemptEvent.CONFIRMATION_REVERSED, now)
    evidence.note(tx, order.id, mistaken.id, evidence.REVERSED, {**decision, "loaded": False}, now)
    journals.reverse(tx, JournalKind.LOAD_PROVEN, mistaken.id, now)
    _tell(tx, order, "confirmation_reversed", decision, actor, now)
    return order.step(tx, TopupEvent.CONFIRMATION_REVERSED, now, decision)


def release_order(
    tx: Connection, order: TopupOrder, decision: Mapping[str, object], actor: str, now: datetime
) -> TopupOrder:
    """Let an order that a restore holds go on: two people found its money neither on the card nor paid back.

    Where a MAC2 of it may still be out, the card's next contact decides. Raises NotInThisState.
    """
    after = restored.require_releasable(tx, order)
    evidence.note(tx, order.id, None, "four_eyes_release", decision, now)
    _tell(tx, order, "order_released", decision, actor, now)
    return order.step(tx, after, now, decision)


def record_refund(
    tx: Connection, order: TopupOrder, decision: Mapping[str, object], actor: str, now: datetime
) -> TopupOrder:
    """Book that the customer has the money back already, by a refund that a restore forgot.

    Nothing is sent. Raises NotInThisState, OnTheCard.
    """
    restored.require_held(order, "refund_recorded")
    require_not_on_the_card(tx, order.id)
    _set_aside(tx, order, decision, now)
    known = refunds.started(tx, payments.of_order(tx, order.id), RefundReason.FOUR_EYES, now, actor)
    order = order.step(tx, TopupEvent.REFUND_DECIDED, now, decision)
    known.step(tx, RefundEvent.PAID_BY_HAND, now, actor)
    return order.step(tx, TopupEvent.REFUND_DONE, now, {"refund": known.key})


def refund_again(
    tx: Connection, refund_id: str, decision: Mapping[str, object], actor: str, now: datetime
) -> Refund:
    """Send a refund that the wallet refused once more, under a new key; raises NotInThisState."""
    failed = _locked(tx, refund_id, now)
    again = _restarted(tx, failed, decision, actor, now)
    again.look_after(tx, now)
    return again


def refund_by_hand(
    tx: Connection, refund_id: str, decision: Mapping[str, object], actor: str, now: datetime
) -> Refund:
    """Note that the customer has the money by other means; raises NotInThisState while a sending may be under way."""
    pending = _locked(tx, refund_id, now)
    if pending.state is RefundState.FAILED:
        pending = _restarted(tx, pending, decision, actor, now)
    done = pending.step(tx, RefundEvent.PAID_BY_HAND, now, actor)
    payment = payments.get(tx, done.payment_id)
    if refund_rows.returns_an_order(payment):
        orders.lock(tx, payment.order_id).step(tx, TopupEvent.REFUND_DONE, now, {"refund": done.key})
    return done


def release_card(
    tx: Connection, known: Card, decision: Mapping[str, object], actor: str, now: datetime
) -> Card:
    """Believe a frozen card's next verified counter. A decided attempt of it is settled by that, or given up.

    Raises NotInThisState, and DecisionOutdated when the card was frozen for another reason since the proposal.
    """
    if decision.get("about", known.frozen_reason) != known.frozen_reason:
        raise DecisionOutdated
    return cards.release(tx, known, now, actor)


def _tell(
    tx: Connection, order: TopupOrder, what: str, decision: Mapping[str, object], actor: str, now: datetime
) -> None:
    data = {"amount_fen": order.amount.amount, **decision}
    audit.append(tx, Entry(audit.REFUNDS, actor, what, order.id, data, now))


def _set_aside(tx: Connection, order: TopupOrder, decision: Mapping[str, object], now: datetime) -> None:
    """The open attempt of the order no longer decides about its money."""
    live = attempts.live(tx, order.card)
    mine = live if live is not None and live.order_id == order.id and live.state in OPEN else None
    if mine is not None:
        mine.step(tx, AttemptEvent.DECIDED, now)
    evidence.note(tx, order.id, mine.id if mine is not None else None, "four_eyes", decision, now)


def _locked(tx: Connection, refund_id: str, now: datetime) -> Refund:
    """The refund under the locks of its card and order, in the order in which everybody takes them."""
    payment = payments.get(tx, refund_rows.get(tx, refund_id).payment_id)
    if refund_rows.returns_an_order(payment):
        lock(tx, payment.order_id, now)
    return refund_rows.lock(tx, refund_id)


def _restarted(
    tx: Connection, failed: Refund, decision: Mapping[str, object], actor: str, now: datetime
) -> Refund:
    """The next round of a refused refund; its order, which went back to where it was, comes along.

    The order may have been loaded since, without a word of how that ended: then people decide about that attempt, too.
    """
    payment = payments.get(tx, failed.payment_id)
    if refund_rows.returns_an_order(payment):
        order = orders.lock(tx, payment.order_id)
        require_not_on_the_card(tx, order.id)
        _require_same_attempt(tx, order, decision)
        decided = TOPUP.allows(order.state, TopupEvent.REFUND_DECIDED)
        if decided:
            _set_aside(tx, order, decision, now)
        order.step(tx, TopupEvent.REFUND_DECIDED if decided else TopupEvent.REFUND_STARTED, now)
    return failed.step(tx, RefundEvent.STARTED_AGAIN, now, actor)
