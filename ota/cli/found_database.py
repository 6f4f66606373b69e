"""The database that a command finds: whoever only looks, or looks after something in it, makes none."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from ota import wiring
from ota.settings import Settings, SettingsError
from ota.store.migrations import current, newest
from ota.store.phases import Store


def open_migrated(settings: Settings) -> Store:
    """The installation's database with this version's tables; raises SettingsError where there is none."""
    store = open_filled(settings)
    if (found := current(store.engine)) != newest():
        store.close()
        raise SettingsError(f"the database is at version {found}, expected {newest()}: run `ota db upgrade`")
    return store


def open_filled(settings: Settings) -> Store:
    """The installation's database, of whatever version; raises SettingsError where there is none, or an empty one."""
    store = open_found(settings)
    if store is not None and current(store.engine) is not None:
        return store
    if store is not None:
        store.close()
    what = "no database at" if store is None else "no tables in"
    raise SettingsError(
        f"{what} {_place(settings)}: run `ota serve` or `ota db upgrade`, or name the right folder with --data"
    )


def open_found(settings: Settings) -> Store | None:
    """The installation's database, or None where its file is not there; opening it would make one."""
    address = sa.make_url(settings.database_url)
    if address.get_backend_name() == "sqlite" and address.database and not _is_there(address.database):
        return None
    return wiring.open_store(settings)


def _is_there(file: str) -> bool:
    return file.startswith((":memory:", "file:")) or Path(file).is_file()


def _place(settings: Settings) -> str:
    """A file by its path; an address by its setting, since it may hold a password."""
    address = sa.make_url(settings.database_url)
    return str(address.database) if address.get_backend_name() == "sqlite" else "the database of database.url"
