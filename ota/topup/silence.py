"""Finds loads whose silence nobody will notice: their job was lost or has died."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from sqlalchemy import select

from ota.core.clock import Clock
from ota.store import outbox
from ota.store.phases import Store
from ota.topup.authorisation import SILENCE
from ota.topup.jobs import SETTLE_SILENT_LOAD
from ota.topup.models import load_attempt
from ota.topup.states import AttemptState

_GRACE: Final = timedelta(minutes=1)
"""Beyond the job's own time: one that is only late is not staged twice."""

_SWEPT: Final = 200


def sweep(store: Store, clock: Clock) -> int:
    """Stage the job of every authorised load that has been silent for too long and has none; returns how many."""
    now = clock.now()
    query = select(load_attempt.c.id).where(
        load_attempt.c.state == AttemptState.AUTHORISED,
        load_attempt.c.authorised_at < now - SILENCE - _GRACE,
        outbox.has_no_job(SETTLE_SILENT_LOAD, load_attempt.c.id),
    )
    with store.read() as tx:
        lost = tx.execute(query.order_by(load_attempt.c.id).limit(_SWEPT)).scalars().all()
    if lost:
        with store.begin() as tx:
            for attempt_id in lost:
                outbox.stage(tx, SETTLE_SILENT_LOAD, attempt_id, due_at=now)
    return len(lost)
