from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from ota.store import callers, history, idempotency, outbox, replay, second_factor  # noqa: F401  declare their tables
from ota.store.engine import open_engine
from ota.store.migrations import upgrade
from ota.store.phases import Store


@dataclass
class SetClock:
    """A clock that stands until it is moved."""

    moment: datetime = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def advance(self, **delta: float) -> None:
        self.moment += timedelta(**delta)


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A migrated database, once on SQLite and once on PostgreSQL."""
    opened = Store(open_engine(database_url, wait_s=2))
    upgrade(opened.engine)
    yield opened
    opened.close()
