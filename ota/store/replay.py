"""Single-use tokens: a proof that was accepted once is refused the second time."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from ota.core.clock import Clock
from ota.core.errors import Unauthenticated
from ota.store.inserts import insert_or_skip
from ota.store.phases import Store
from ota.store.schema import metadata
from ota.store.types import UtcDateTime

replay_guard = sa.Table(
    "replay_guard",
    metadata,
    sa.Column("issuer", sa.String(64), primary_key=True),
    sa.Column("jti", sa.String(128), primary_key=True),
    sa.Column("expires_at", UtcDateTime, nullable=False, index=True),
)


class TokenReplayed(Unauthenticated):
    """A single-use proof was used before."""

    code = "token_replayed"
    english = "This assertion was used before; make a new one with a new jti."
    chinese = "该断言已被使用, 请使用新的 jti 重新生成。"


class ReplayGuard:
    """Remembers every accepted proof until it would be refused as expired anyway."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def use(self, issuer: str, jti: str, expires: datetime, *, tx: Connection | None = None) -> None:
        """Use the proof up, in the given phase or in one of its own; raises TokenReplayed the second time.

        ``expires`` is the moment from which the proof is refused by its own date, tolerance included.
        """
        if tx is not None:
            _use(tx, issuer, jti, expires)
            return
        with self._store.begin() as own:
            _use(own, issuer, jti, expires)

    def forget_expired(self) -> int:
        """Remove what no longer needs remembering; returns how many rows."""
        with self._store.begin() as tx:
            expired = replay_guard.delete().where(replay_guard.c.expires_at < self._clock.now())
            return tx.execute(expired).rowcount


def _use(tx: Connection, issuer: str, jti: str, expires: datetime) -> None:
    row = {"issuer": issuer, "jti": jti, "expires_at": expires}
    if tx.execute(insert_or_skip(tx, replay_guard).values(**row)).rowcount == 0:
        raise TokenReplayed
