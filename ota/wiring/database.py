"""Opens the database that the settings name."""

from __future__ import annotations

from ota.settings import Settings
from ota.store.engine import open_engine
from ota.store.phases import Store


def open_store(settings: Settings) -> Store:
    """The database that the settings name."""
    if not settings.database.url:
        settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    database = settings.database
    return Store(open_engine(settings.database_url, pool_size=database.pool_size, wait_s=database.wait_s))
