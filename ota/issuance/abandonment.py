"""What two people may decide about an issuance whose phone never comes back: there will be no card."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from ota.issuance import orders
from ota.issuance.orders import IssuanceOrder
from ota.issuance.states import IssuanceEvent
from ota.registry import numbers


def abandon(tx: Connection, order_id: str, now: datetime) -> IssuanceOrder:
    """End the order without a word of its element; its number is spent. Raises NotFound, NotInThisState.

    What it left on the element is removed by the next order for that element, as anything that another order left. A card
    that is complete there has a number that nobody loads (`numbers.require_issued`).
    """
    order = orders.lock(tx, order_id).step(tx, IssuanceEvent.GIVEN_UP, now)
    numbers.retire(tx, order.card, now)
    return order
