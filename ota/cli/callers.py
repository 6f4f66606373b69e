"""``ota callers``: who may call, and with which public keys."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from ota import wiring
from ota.cli.found_database import open_migrated
from ota.cli.installation import installation_options, load_settings, told_plainly
from ota.core.clock import SystemClock
from ota.core.principal import CallerKind
from ota.settings import SettingsError
from ota.store.caller_file import read_callers
from ota.store.callers import Caller, Callers, sealed
from ota.store.second_factor import SecondFactors


@click.group()
def callers() -> None:
    """Look after the callers: wallet servers, terminals, staff."""


@callers.command(short_help="Register every caller of a file.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@installation_options
@told_plainly
def register(file: Path, **installation: Any) -> None:
    """Register every caller of FILE, or bring those that are known up to date.

    FILE is written like config/sandbox/callers.toml: public keys under [keys.<id>], then one [[caller]] each.
    """
    settings = load_settings(**installation)
    codes = wiring.open_codes(settings)
    found = [sealed(each, codes.seal) for each in read_callers(file)]
    if settings.environment == "production":
        _require_real(file, found)
    store = open_migrated(settings)
    try:
        for each in found:
            Callers(store).register(each, SystemClock().now())
    finally:
        store.close()
    click.echo(f"registered: {', '.join(each.id for each in found)}")


def _require_real(file: Path, found: Sequence[Caller]) -> None:
    """Refuse what a sandbox may have: published keys, and callers that may claim any channel's trades as theirs."""
    if test := [each.id for each in found if each.sandbox]:
        raise SettingsError(f"{file}: {', '.join(test)}: test keys are refused with environment = production")
    if unbound := [each.id for each in found if each.kind is not CallerKind.STAFF and each.channels is None]:
        raise SettingsError(
            f"{file}: {', '.join(unbound)}: expected channels = [the payment channels whose trades are theirs]"
        )


@callers.command(short_help="Refuse a caller from its next token on.")
@click.argument("caller_id")
@installation_options
@told_plainly
def disable(caller_id: str, **installation: Any) -> None:
    """Refuse CALLER_ID from its next token on; a token it has ends within 15 minutes."""
    store = open_migrated(load_settings(**installation))
    try:
        if not Callers(store).disable(caller_id):
            raise _nobody(caller_id)
    finally:
        store.close()
    click.echo(f"disabled: {caller_id}")


@callers.command(short_help="Let a caller try its second factor again.")
@click.argument("caller_id")
@installation_options
@told_plainly
def unlock(caller_id: str, **installation: Any) -> None:
    """Let CALLER_ID try its second factor again, after too many wrong one-time passwords.

    Whoever tried them has the private key of CALLER_ID. Find out who it was before.
    """
    store = open_migrated(load_settings(**installation))
    try:
        if not SecondFactors(store, SystemClock()).unlock(caller_id):
            raise click.ClickException(
                f"{caller_id}: no wrong one-time password is counted of a caller of this name"
            )
    finally:
        store.close()
    click.echo(f"unlocked: {caller_id}")


def _nobody(caller_id: str) -> click.ClickException:
    return click.ClickException(
        f"there is no caller {caller_id}: `ota callers register FILE` makes callers known"
    )
