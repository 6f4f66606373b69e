"""What happens once before the processes of an installation start."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Final

from sqlalchemy.exc import ProgrammingError

from ota import wiring
from ota.cities.check import check_config
from ota.cities.loader import load_cities
from ota.cities.profile import City
from ota.cli.found_database import open_migrated
from ota.core.values import CardNumber
from ota.hsm_adapter.test_keys import provision_test_keys
from ota.registry import numbers
from ota.settings import Settings, SettingsError
from ota.store import grants
from ota.store.caller_file import read_callers
from ota.store.callers import Callers, sealed
from ota.store.migrations import current, newest, upgrade
from ota.store.older import require_not_older
from ota.store.phases import Store

_log = logging.getLogger(__name__)

_OTHERS: Final = 0o077
"""What group and others may do, of a mode."""

SANDBOX_SERIALS: Final = range(9_000_000_000, 9_000_000_200)
"""Card numbers that every city of a sandbox starts with: a block that is easy to tell from real ones."""


def is_made_up(city: City, number: CardNumber) -> bool:
    """Whether a number of this city is one that a sandbox starts with: no real card may bear it."""
    first, last = _made_up(city)
    return first.digits <= number.digits <= last.digits


def prepare(settings: Settings, now: datetime) -> None:
    """Bring the database up to date; give a sandbox its callers, keys and numbers, or make sure that there are none.

    Raises SettingsError for a mistake in the configuration, when others may enter production's data folder, and for a
    production database that was a sandbox's or knows a caller that production would not register. Raises DatabaseOlder.
    """
    _guard_files(settings)
    store = wiring.open_store(settings)
    try:
        _migrate(store)
        _guard_rights(settings, store)
        require_not_older(store, settings.anchor_file, now)
        callers = Callers(store)
        if settings.sandbox.credentials:
            _register_sandbox(settings, callers, now)
            _fill_sandbox(settings, store, now)
        else:
            _guard_database(settings, store)
    finally:
        store.close()


def require_prepared(settings: Settings, now: datetime) -> None:
    """Make sure that the installation is one that `prepare` would leave as it is, and change nothing.

    For a process beside the servers, which migrate. Raises SettingsError for whatever `prepare` refuses, and for a
    database that is not at this version's tables. Raises DatabaseOlder.
    """
    _guard_files(settings)
    store = open_migrated(settings)
    try:
        _guard_rights(settings, store)
        require_not_older(store, settings.anchor_file, now)
        _guard_database(settings, store)
    finally:
        store.close()


def _migrate(store: Store) -> None:
    """Bring the database up to date; a role that serves without owning the tables finds them so."""
    try:
        if current(store.engine) != newest():
            upgrade(store.engine)
    except ProgrammingError as error:
        raise SettingsError(
            f"the database is not at version {newest()}, and the role of database.url may not change that "
            f"({type(error.orig).__name__}): run `ota db upgrade` and `ota db grant ROLE` with the role that owns the tables"
        ) from error


def _guard_rights(settings: Settings, store: Store) -> None:
    """Refuse a role that lacks rights before its first request does; tell production of one that has too many."""
    tables = list(wiring.metadata().tables.values())
    with store.read() as tx:
        lacking, undoes = grants.missing(tx, tables), grants.may_undo(tx, tables)
    if lacking:
        raise SettingsError(
            f"the role of database.url may not use {', '.join(lacking)}: run `ota db grant ROLE` with the role that owns "
            "the tables, after each `ota db upgrade`"
        )
    if undoes and settings.environment == "production":
        _log.warning(
            "the role of database.url could change append-only tables (%s): let it serve without owning them, see `ota db grant`",
            ", ".join(undoes),
        )


def _guard_files(settings: Settings) -> None:
    if mistakes := check_config(settings.config):
        raise SettingsError("\n".join(str(mistake) for mistake in mistakes))
    _guard_folder(settings)


def _guard_database(settings: Settings, store: Store) -> None:
    """Refuse what production must not serve, nor finish the work of."""
    if settings.environment != "production":
        return
    _refuse_published(Callers(store))
    _refuse_unbound(Callers(store))
    _refuse_made_up(settings, store)


def _guard_folder(settings: Settings) -> None:
    """The data folder holds what signs tokens, and the software HSM: it is made for its owner only, and stays so."""
    mode = settings.data.stat().st_mode & 0o777 if settings.data.exists() else 0
    if not mode & _OTHERS:
        return
    told = f"{settings.data}: others than its owner may enter (mode {mode:04o}, expected 0700)"
    if settings.environment == "production":
        raise SettingsError(told)
    _log.warning("%s", told)


def _register_sandbox(settings: Settings, callers: Callers, now: datetime) -> None:
    codes = wiring.open_codes(settings)
    for plain in read_callers(settings.config / "sandbox" / "callers.toml"):
        caller = sealed(plain, codes.seal)
        if (
            callers.find(caller.id) != caller
        ):  # a restart writes nothing, and what staff disabled is put right
            callers.register(caller, now)


def _fill_sandbox(settings: Settings, store: Store, now: datetime) -> None:
    """Published test keys, unless the keys have an administrator, and card numbers for cities that have none."""
    if settings.hsm.backend == "software":
        keys = wiring.open_key_store(settings, store)
        if keys.administrator is None:
            provision_test_keys(keys)
    with store.begin() as tx:
        for city in load_cities(settings.config / "cities"):
            if not numbers.has_free(tx, city.code):
                numbers.add(tx, city.code, (city.number(serial) for serial in SANDBOX_SERIALS), now)


def _refuse_published(callers: Callers) -> None:
    if published := callers.sandbox_ids():
        raise SettingsError(
            f"the database knows {', '.join(published)}, whose private keys are published; "
            "disable each with `ota callers disable ID` before it serves with environment = production"
        )


def _refuse_unbound(callers: Callers) -> None:
    """Whoever was registered before callers had channels could still claim everybody's trades."""
    if unbound := callers.unbound_ids():
        raise SettingsError(
            f"the database knows {', '.join(unbound)} without payment channels, who could claim any trade as theirs; "
            "register each anew with channels = [...] (`ota callers register FILE`), or disable it"
        )


def _refuse_made_up(settings: Settings, store: Store) -> None:
    """A number that a sandbox made up would be written into a real card, and may be some other sandbox's card, too."""
    with store.read() as tx:
        found = [
            city.name
            for city in load_cities(settings.config / "cities")
            if numbers.has_between(tx, *_made_up(city))
        ]
    if found:
        raise SettingsError(
            f"the database holds card numbers of a sandbox ({', '.join(found)}); its orders, cards and books are made up, "
            "too: give production a database of its own, set database.url"
        )


def _made_up(city: City) -> tuple[CardNumber, CardNumber]:
    return city.number(SANDBOX_SERIALS[0]), city.number(SANDBOX_SERIALS[-1])
