"""The second factors of staff: how often each was tried in a row, and which code was taken last."""

import logging
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from ota.core.clock import Clock
from ota.core.errors import NextAction, Unauthenticated
from ota.store.inserts import insert_or_skip
from ota.store.phases import Store
from ota.store.schema import metadata
from ota.store.types import UtcDateTime

_log = logging.getLogger(__name__)

second_factor = sa.Table(
    "second_factor",
    metadata,
    sa.Column("caller_id", sa.ForeignKey("caller.id"), primary_key=True),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("paused_until", UtcDateTime),
    sa.Column("last_step", sa.BigInteger),
)

PAUSE_AFTER = 5
LOCK_AFTER = 20
PAUSE = timedelta(minutes=5)
"""Of a million codes three are good at any time: twenty guesses hit with a chance of 6 in 100 000 (RFC 4226 7.3)."""


class SecondFactorPaused(Unauthenticated):
    """Too many wrong codes in a row: none is looked at for a while."""

    code = "otp_paused"
    oauth_error = "invalid_client"
    english = "Too many wrong one-time passwords; wait before the next one."
    chinese = "一次性口令错误次数过多, 请稍后再试。"

    def __init__(self, wait: timedelta) -> None:
        super().__init__(details={"retry_after_s": max(1, -(-wait // timedelta(seconds=1)))})


class SecondFactorLocked(Unauthenticated):
    """Far too many wrong codes in a row: an operator must find out who guesses."""

    code = "otp_locked"
    oauth_error = "invalid_client"
    next_action = NextAction.CONTACT_SERVICE
    english = (
        "The second factor is locked after too many wrong one-time passwords; an operator can unlock it."
    )
    chinese = "一次性口令错误次数过多, 第二因素已锁定, 请联系运维人员解锁。"


class SecondFactors:
    """Limits the guesses at a second factor, and lets each code be used once."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def begin_try(self, caller_id: str) -> None:
        """Count a try before its code is looked at, so that many at once do not outrun the limit.

        Raises SecondFactorPaused or SecondFactorLocked; then the code must not be looked at.
        """
        now = self._clock.now()
        with self._store.begin() as tx:
            row = _lock(tx, caller_id)
            if row.tries >= LOCK_AFTER:
                raise SecondFactorLocked
            if row.paused_until is not None and row.paused_until > now:
                raise SecondFactorPaused(row.paused_until - now)
            tries = row.tries + 1
            pause = now + PAUSE if tries % PAUSE_AFTER == 0 else None
            change = second_factor.update().where(second_factor.c.caller_id == caller_id)
            tx.execute(change.values(tries=tries, paused_until=pause))
        if pause is not None:
            _log.warning("%s tries in a row at the second factor of %s", tries, caller_id)

    def accept(self, caller_id: str, step: int) -> bool:
        """Take the right code of a time step and forget the tries; False when it, or a later one, was taken before.

        RFC 6238 5.2: an accepted code is never accepted again, not even within its 30 seconds.
        """
        fresh = sa.or_(second_factor.c.last_step.is_(None), second_factor.c.last_step < step)
        with self._store.begin() as tx:
            change = second_factor.update().where(second_factor.c.caller_id == caller_id, fresh)
            return tx.execute(change.values(tries=0, paused_until=None, last_step=step)).rowcount == 1

    def unlock(self, caller_id: str) -> bool:
        """Forget the tries; False when there were none."""
        tried = second_factor.c.tries > 0
        with self._store.begin() as tx:
            change = second_factor.update().where(second_factor.c.caller_id == caller_id, tried)
            return tx.execute(change.values(tries=0, paused_until=None)).rowcount == 1


def _lock(tx: Connection, caller_id: str) -> sa.Row[Any]:
    tx.execute(insert_or_skip(tx, second_factor).values(caller_id=caller_id, tries=0))
    query = sa.select(second_factor).where(second_factor.c.caller_id == caller_id)
    return tx.execute(query.with_for_update()).one()
