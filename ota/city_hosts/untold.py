"""Finds loads whose city is still to be told how they ended, and whose job was lost or has died."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from sqlalchemy import and_, or_, select

from ota.city_hosts.jobs import TELL_CITY_HOST
from ota.city_hosts.models import hosted_load
from ota.city_hosts.states import HostedState
from ota.core.clock import Clock
from ota.store import outbox
from ota.store.phases import Store

_GRACE: Final = timedelta(minutes=1)
"""Longer than a request takes that tells the city itself: it stages no job unless the city does not answer."""

_SWEPT: Final = 200


def sweep(store: Store, clock: Clock) -> int:
    """Stage the job of every load that its city has not acknowledged and that has none; returns how many."""
    now = clock.now()
    ended = hosted_load.c.state.in_((HostedState.VOIDING, HostedState.CONFIRMING))
    tac_kept = and_(hosted_load.c.state == HostedState.GRANTED, hosted_load.c.tac.is_not(None))
    query = select(hosted_load.c.load_id).where(
        or_(ended, tac_kept),
        hosted_load.c.updated_at < now - _GRACE,
        outbox.has_no_job(TELL_CITY_HOST, hosted_load.c.load_id),
    )
    with store.read() as tx:
        lost = tx.execute(query.order_by(hosted_load.c.load_id).limit(_SWEPT)).scalars().all()
    if lost:
        with store.begin() as tx:
            for load_id in lost:
                outbox.stage(tx, TELL_CITY_HOST, load_id, due_at=now)
    return len(lost)
