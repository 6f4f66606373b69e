"""The database remembers the key store's newest generation and its administrator: an older folder put back is noticed.

Whoever may write both the data folder and the database can still put both back; a backup of both from one moment is
therefore taken without a question.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from ota.core.clock import Clock
from ota.hsm_adapter.software.witness import Remembered
from ota.store.inserts import insert_or_skip
from ota.store.phases import Store
from ota.store.schema import metadata
from ota.store.types import UtcDateTime

key_store = sa.Table(
    "key_store",
    metadata,
    sa.Column("name", sa.String(32), primary_key=True),
    sa.Column("generation", sa.BigInteger, nullable=False),
    sa.Column("administrator", sa.LargeBinary(32), nullable=True),
    sa.Column("updated_at", UtcDateTime, nullable=False),
)

SOFTWARE: Final = "software"
"""An installation has one software key store: masters, or beside a token the transport keys."""


class DatabaseWitness:
    """A `StoreWitness` as a row of the database. One without tables yet knows nothing and is told nothing."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._is_ready = False

    def remembered(self) -> Remembered | None:
        """What the row says, or None when there is none; raises Unavailable."""
        with self._store.read() as tx:
            if not self._has_table(tx):
                return None
            row = tx.execute(sa.select(key_store).where(key_store.c.name == SOFTWARE)).one_or_none()
        if row is None:
            return None
        return Remembered(row.generation, None if row.administrator is None else bytes(row.administrator))

    def remember(self, now: Remembered) -> None:
        """Change the row, unless it has a greater generation; raises Unavailable."""
        values = {
            "generation": now.generation,
            "administrator": now.administrator,
            "updated_at": self._clock.now(),
        }
        older = (key_store.c.name == SOFTWARE) & (key_store.c.generation < now.generation)
        with self._store.begin() as tx:
            if not self._has_table(tx):
                return
            tx.execute(insert_or_skip(tx, key_store).values(name=SOFTWARE, **values))
            tx.execute(key_store.update().where(older).values(**values))

    def _has_table(self, tx: Connection) -> bool:
        self._is_ready = self._is_ready or sa.inspect(tx).has_table(key_store.name)
        return self._is_ready
