"""``ota keys token``: makes a PKCS#11 token. PINs come from files or are typed unseen, never from the command line."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ota import wiring
from ota.cli.installation import installation_options, load_settings, told_plainly
from ota.hsm_adapter.errors import TestKeysInProduction
from ota.hsm_adapter.pkcs11 import TokenPlace, softhsm
from ota.hsm_adapter.pkcs11.administration import TokenKeys
from ota.hsm_adapter.pkcs11.initialise import make_token
from ota.hsm_adapter.pkcs11.place import read_pin
from ota.hsm_adapter.pkcs11.provisioning import provision_token
from ota.settings import Settings

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def token() -> None:
    """Look after the PKCS#11 token."""


@token.command()
@click.option("--label", help="The token's name. [default: hsm.pkcs11_token, or ota]")
@click.option("--module", type=_FILE, help="The token's library. [default: hsm.pkcs11_module, or SoftHSM2's]")
@click.option("--so-pin-file", type=_FILE, help="File with the security officer's PIN. [default: ask]")
@click.option("--pin-file", type=_FILE, help="File with the user's PIN. [default: hsm.pin_file, or ask]")
@click.option(
    "--test-keys", is_flag=True, help="Put the sandbox's published keys on it; never in production."
)
@installation_options
@told_plainly
def init(
    label: str | None,
    module: Path | None,
    so_pin_file: Path | None,
    pin_file: Path | None,
    *,
    test_keys: bool,
    **installation: Any,
) -> None:
    """Make a fresh token; one of this label that exists is left as it is.

    SoftHSM2 keeps it in the data folder, unless SOFTHSM2_CONF points somewhere else. Files with PINs are read up to
    the end of their first line and must belong to their owner alone (mode 0600).
    """
    settings = load_settings(**installation)
    if test_keys and settings.environment == "production":
        raise TestKeysInProduction
    library = module or _configured(settings.hsm.pkcs11_module) or softhsm.find_softhsm()
    name = label or settings.hsm.pkcs11_token or "ota"
    officer = _pin(so_pin_file, "Security officer's PIN")
    user = _pin(pin_file or _configured(settings.hsm.pin_file), "User's PIN")
    if softhsm.is_softhsm(library):
        _point_to_folder(settings)
    make_token(library, name, officer(), user())
    click.echo(f"made: token {name!r} of {library}")
    if test_keys:
        place = TokenPlace(library, name, typed_pin=user)
        keys = TokenKeys(place, environment=settings.environment, sm4=wiring.sm4_mechanisms(settings))
        click.echo(f"published test keys: {len(provision_token(keys))}")
    click.echo(
        "to use it: hsm.backend = pkcs11; hsm.pkcs11_module, hsm.pkcs11_token and hsm.pin_file name it"
    )
    if softhsm.is_softhsm(library):
        click.echo(f"its folder: {softhsm.VARIABLE}={os.environ[softhsm.VARIABLE]}")


def _configured(path: str) -> Path | None:
    return Path(path) if path else None


def _pin(file: Path | None, prompt: str) -> Callable[[], str]:
    """The PIN, read or typed now."""
    pin = read_pin(file) if file else click.prompt(prompt, hide_input=True, confirmation_prompt=True)
    return lambda: str(pin)


def _point_to_folder(settings: Settings) -> None:
    """Make the data folder's place for tokens, unless this process was told of another."""
    if softhsm.VARIABLE not in os.environ:
        softhsm.make_folder(settings.data / softhsm.FOLDER)
        softhsm.use_folder_of(settings.data)
