"""One answer per Idempotency-Key: claimed while it is worked on, stored byte for byte when it is done.

The key belongs to the caller that chose it, and so to one request: the digest tells another request apart.
A claim whose process died is free again after its lease; the service then finds its own order by the same key.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from ota.core.clock import Clock
from ota.core.errors import BadRequest, Busy
from ota.core.ids import new_id
from ota.store.inserts import insert_or_skip
from ota.store.phases import Store
from ota.store.schema import metadata
from ota.store.types import UtcDateTime

idempotency = sa.Table(
    "idempotency",
    metadata,
    sa.Column("principal", sa.String(64), primary_key=True),
    sa.Column("key", sa.String(255), primary_key=True),
    sa.Column("digest", sa.LargeBinary(32), nullable=False),
    sa.Column("holder", sa.String(40)),
    sa.Column("leased_until", UtcDateTime, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("status", sa.Integer),
    sa.Column("body", sa.LargeBinary),
)

_LEASE = timedelta(seconds=30)
"""Far beyond the slowest request (a city host is given 5 s): a live request keeps its claim."""

_LOOKS = 2
"""On PostgreSQL a key may be given back between the refused INSERT and the SELECT: then it is free, so try again."""


class KeyReused(BadRequest):
    """The same Idempotency-Key came with another request."""

    code = "idempotency_key_reused"
    english = "This Idempotency-Key was used for another request; choose a new one."
    chinese = "该幂等键已用于另一请求, 请更换。"


@dataclass(frozen=True, slots=True)
class Reply:
    """A finished answer as it was sent."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to answer a key, held by one request; or the answer that is stored for it."""

    principal: str
    key: str
    holder: str
    stored: Reply | None = None


class IdempotentAnswers:
    """Claims and finished answers, each in a short phase of its own."""

    def __init__(self, store: Store, clock: Clock, lease: timedelta = _LEASE) -> None:
        self._store = store
        self._clock = clock
        self._lease = lease

    def claim(self, principal: str, key: str, digest: bytes) -> Claim:
        """Take the key; raises KeyReused, or Busy while another request holds it."""
        now = self._clock.now()
        claim = Claim(principal, key, new_id("clm"))
        with self._store.begin() as tx:
            for _ in range(_LOOKS):
                if _insert(tx, claim, digest, now, now + self._lease):
                    return claim
                row = tx.execute(sa.select(idempotency).where(_is(claim)).with_for_update()).one_or_none()
                if row is not None:
                    return self._take_over(tx, claim, digest, row, now)
        raise Busy

    def _take_over(
        self, tx: Connection, claim: Claim, digest: bytes, row: sa.Row[tuple[Any, ...]], now: datetime
    ) -> Claim:
        """Take the key from whoever let it go, or give the stored answer."""
        if row.digest != digest:
            raise KeyReused
        if row.status is not None:
            return replace(claim, stored=Reply(row.status, row.body))
        if row.holder is not None and row.leased_until > now:
            raise Busy
        tx.execute(
            idempotency.update().where(_is(claim)).values(holder=claim.holder, leased_until=now + self._lease)
        )
        return claim

    def finish(self, claim: Claim, status: int, body: bytes) -> Reply:
        """Store the answer and give back what to send: the stored one, if another request finished first."""
        with self._store.begin() as tx:
            tx.execute(
                idempotency.update()
                .where(_is(claim), idempotency.c.status.is_(None))
                .values(status=status, body=body, holder=None)
            )
            row = tx.execute(
                sa.select(idempotency.c.status, idempotency.c.body).where(_is(claim))
            ).one_or_none()
        return Reply(status, body) if row is None else Reply(row.status, row.body)

    def release(self, claim: Claim, *, keep_digest: bool) -> None:
        """Give the key back unanswered.

        ``keep_digest`` when the failed request must be repeated as it was: what it began may be half done.
        Otherwise nothing was changed and the key is as good as new.
        """
        mine = sa.and_(_is(claim), idempotency.c.holder == claim.holder)
        with self._store.begin() as tx:
            if keep_digest:
                tx.execute(idempotency.update().where(mine).values(holder=None))
            else:
                tx.execute(idempotency.delete().where(mine))


def _is(claim: Claim) -> sa.ColumnElement[bool]:
    return sa.and_(idempotency.c.principal == claim.principal, idempotency.c.key == claim.key)


def _insert(tx: Connection, claim: Claim, digest: bytes, now: datetime, until: datetime) -> bool:
    """Insert unless the key is known."""
    row = {
        "principal": claim.principal,
        "key": claim.key,
        "digest": digest,
        "holder": claim.holder,
        "leased_until": until,
        "created_at": now,
    }
    return tx.execute(insert_or_skip(tx, idempotency).values(**row)).rowcount == 1
