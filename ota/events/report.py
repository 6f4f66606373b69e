"""How deliveries come on, by wallet: for the metrics and for ``ota webhooks``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, func, select

from ota.events.models import wallet_delivery, wallet_feed
from ota.events.states import DeliveryState

_D = wallet_delivery.c
_UNDONE: Final = (DeliveryState.WAITING, DeliveryState.GIVEN_UP)


@dataclass(frozen=True, slots=True)
class Delay:
    """What a wallet's server has not taken. ``oldest_s`` is about what waits; ``failures`` are in a row."""

    caller_id: str
    waiting: int
    given_up: int
    oldest_s: float
    failures: int


def delays(tx: Connection, now: datetime) -> list[Delay]:
    """Every wallet that has not taken everything."""
    waits = _D.state == DeliveryState.WAITING
    query = (
        select(
            _D.caller_id,
            func.count().filter(waits).label("waiting"),
            func.count().filter(_D.state == DeliveryState.GIVEN_UP).label("given_up"),
            func.min(_D.waiting_since).filter(waits).label("oldest"),
            func.max(wallet_feed.c.failures).label("failures"),
        )
        .join(wallet_feed, wallet_feed.c.caller_id == _D.caller_id)
        .where(_D.state.in_(_UNDONE))
        .group_by(_D.caller_id)
        .order_by(_D.caller_id)
    )
    return [
        Delay(
            row.caller_id,
            row.waiting,
            row.given_up,
            0.0 if row.oldest is None else (now - row.oldest).total_seconds(),
            row.failures,
        )
        for row in tx.execute(query)
    ]
