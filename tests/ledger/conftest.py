from __future__ import annotations

from collections.abc import Iterator

import pytest

from ota.store.engine import open_engine
from ota.store.phases import Store


@pytest.fixture
def store(migrated_database_url: str) -> Iterator[Store]:
    """A migrated database, once on SQLite and once on PostgreSQL."""
    opened = Store(open_engine(migrated_database_url, wait_s=5))
    yield opened
    opened.close()
