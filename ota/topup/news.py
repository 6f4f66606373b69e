"""Which steps of a top-up its wallet is told: those that somebody else than the wallet may have caused."""

from datetime import datetime
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection

from ota.events import feed
from ota.events.feed import News
from ota.topup.states import TopupEvent, TopupState

if TYPE_CHECKING:
    from ota.topup.orders import TopupOrder

_TOLD: Final = frozenset(
    {
        TopupState.LOADED,
        TopupState.UNCERTAIN,
        TopupState.REFUNDING,
        TopupState.REFUNDED,
        TopupState.HELD,
        TopupState.CLOSED,
        TopupState.WRITTEN_OFF,
    }
)


def tell(tx: Connection, order: "TopupOrder", event: TopupEvent, after: TopupState, now: datetime) -> None:
    """Tell the wallet of a step that its order takes; that a new order was paid it has said itself."""
    is_paid_again = after is TopupState.PAID and order.state is not TopupState.CREATED
    if after not in _TOLD and not is_paid_again:
        return
    data = {
        "order_id": order.id,
        "state": str(after),
        "why": str(event),
        "amount_fen": order.amount.amount,
    }
    feed.tell(tx, News(order.caller_id, order.card, f"topup.{after}", data), now)
