"""What happens once before the processes of an installation start."""

from __future__ import annotations

from datetime import datetime

from ota import wiring
from ota.settings import Settings, SettingsError
from ota.store.caller_file import read_callers
from ota.store.callers import Callers
from ota.store.migrations import upgrade


def prepare(settings: Settings, now: datetime) -> None:
    """Bring the database up to date and register the sandbox's callers, or make sure that there are none.

    Raises SettingsError when a production database knows a caller whose private key is published.
    """
    store = wiring.open_store(settings)
    try:
        upgrade(store.engine)
        callers = Callers(store)
        if settings.sandbox.credentials:
            _register_sandbox(settings, callers, now)
        elif published := callers.sandbox_ids():
            _refuse_published(settings, published)
    finally:
        store.close()


def _register_sandbox(settings: Settings, callers: Callers, now: datetime) -> None:
    for caller in read_callers(settings.config / "sandbox" / "callers.toml"):
        if (
            callers.find(caller.id) != caller
        ):  # a restart writes nothing, and what staff disabled is put right
            callers.register(caller, now)


def _refuse_published(settings: Settings, published: list[str]) -> None:
    if settings.environment == "production":
        raise SettingsError(
            f"the database knows {', '.join(published)}, whose private keys are published; "
            "disable each with `ota callers disable ID` before it serves with environment = production"
        )
