"""Opens the database that the settings name."""

from __future__ import annotations

import tempfile

from ota.settings import Settings, SettingsError
from ota.store.engine import open_engine
from ota.store.phases import Store


def open_store(settings: Settings) -> Store:
    """The database that the settings name."""
    if not settings.database.url:
        make_data_folder(settings)
    database = settings.database
    return Store(open_engine(settings.database_url, pool_size=database.pool_size, wait_s=database.wait_s))


def make_data_folder(settings: Settings) -> None:
    """Make the data folder, for its owner only; raises SettingsError where that cannot be."""
    try:
        settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise _unusable(settings, error) from error


def try_data_folder(settings: Settings) -> None:
    """Raise SettingsError unless there could be a data folder that can be written; nothing stays behind.

    A try is the only way to know: of /proc, a full disk or a share that is mounted read-only, the mode says nothing.
    """
    folder = settings.data.absolute()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        tempfile.TemporaryDirectory(prefix=".ota-", dir=folder).cleanup()
    except OSError as error:
        raise _unusable(settings, error) from error


def _unusable(settings: Settings, error: OSError) -> SettingsError:
    return SettingsError(
        f"data: {settings.data}: {error.strerror}: expected a folder that can be made and written; "
        "name another one with --data or OTA_DATA"
    )
