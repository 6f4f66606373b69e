"""Takes an attempt back whose MAC2 never left the platform: the card cannot have been loaded with it."""

from datetime import datetime

from sqlalchemy import Connection

from ota.registry import cards
from ota.topup import attempts, evidence, orders
from ota.topup.attempts import Attempt
from ota.topup.states import ATTEMPT, TOPUP, AttemptEvent, TopupEvent


def lock(tx: Connection, attempt_id: str, now: datetime) -> Attempt:
    """The attempt, with its card and its order locked until the phase ends, in the order that every load takes them."""
    attempt = attempts.get(tx, attempt_id)
    card_of(tx, attempt, now)
    orders.lock(tx, attempt.order_id)
    return attempts.get(tx, attempt_id)


def card_of(tx: Connection, attempt: Attempt, now: datetime) -> cards.Card:
    """The attempt's card, locked."""
    return cards.lock(tx, attempt.card, orders.get(tx, attempt.order_id).city, now)


def withdraw(tx: Connection, attempt: Attempt, why: str, now: datetime) -> None:
    """End a locked attempt; its order's money is free again. The caller knows that MAC2 was given to nobody.

    Changes nothing about an attempt that is decided already, nor about an order that two people have settled.
    """
    if not ATTEMPT.allows(attempt.state, AttemptEvent.DISPROVEN):
        return
    attempt.step(tx, AttemptEvent.DISPROVEN, now)
    evidence.note(tx, attempt.order_id, attempt.id, "mac2_withheld", {"why": why, "loaded": False}, now)
    order = orders.get(tx, attempt.order_id)
    if not order.is_in_question and TOPUP.allows(order.state, TopupEvent.LOAD_DISPROVEN):
        order.step(tx, TopupEvent.LOAD_DISPROVEN, now)
