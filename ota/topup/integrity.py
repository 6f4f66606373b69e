"""What contradicts the records: the card goes out of service, and the order whose money is in question is held."""

from datetime import datetime

from sqlalchemy import Connection

from ota.registry import cards
from ota.registry.cards import Card
from ota.topup import attempts, orders
from ota.topup.states import ATTEMPT, TOPUP, AttemptEvent, TopupEvent


def freeze(tx: Connection, known: Card, order_id: str, why: str, now: datetime) -> None:
    """Freeze a card and hold the order that the contradiction is about; two people decide about both.

    The caller holds the card's lock. Money that is on the card, on its way back or settled by people stays where it is;
    other orders of the card are not in question: no MAC2 of theirs is out.
    """
    order = orders.lock(tx, order_id)
    if TOPUP.allows(order.state, TopupEvent.INTEGRITY_BROKEN):
        live = attempts.live(tx, order.card)
        if live is not None and live.order_id == order.id and ATTEMPT.allows(live.state, AttemptEvent.SILENT):
            live.step(tx, AttemptEvent.SILENT, now)
        order.step(tx, TopupEvent.INTEGRITY_BROKEN, now, {"why": why})
    cards.freeze(tx, known, why, now)
