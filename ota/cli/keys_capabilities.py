"""``ota keys capabilities``: what a backend was seen to do right, how, and how much of a card key that shows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table

from ota import wiring
from ota.cli.installation import installation_options, load_settings, told_plainly
from ota.hsm_adapter.pkcs11 import TokenPlace
from ota.hsm_adapter.pkcs11.how import how
from ota.hsm_adapter.pkcs11.initialise import throw_away_token
from ota.hsm_adapter.pkcs11.probe import find_out
from ota.hsm_adapter.ports import Exposure
from ota.hsm_adapter.software import SoftwareHsm
from ota.hsm_adapter.software.memory import PublishedKeys
from ota.hsm_adapter.software.probe import PROBED
from ota.settings import Settings

_IN_PROCESS: Final = "in this process, with keys opened for the one operation"
_DIFFERS: Final = "not possible, or not with the known answer"


@dataclass(frozen=True, slots=True)
class Line:
    """One operation with one algorithm; ``under`` is the channel's key set of an export, ``exposure`` a name."""

    operation: str
    algorithm: str
    under: str | None
    works: bool
    allowed: bool
    exposure: str | None
    how: str


@click.command(short_help="Find out what the HSM can do, by known answers.")
@click.option(
    "--backend",
    type=click.Choice(["software", "pkcs11"]),
    help="Which backend. [default: the configured one]",
)
@click.option("--json", "as_json", is_flag=True, help="Print one object: backend, token, operations.")
@installation_options
@told_plainly
def capabilities(backend: str | None, *, as_json: bool, **installation: Any) -> None:
    """Run every operation with published keys, compare with known answers, and tell what came out.

    Without a configured token, pkcs11 is shown on a SoftHSM2 token that is made for this and thrown away.
    """
    settings = load_settings(**installation)
    chosen = backend or settings.hsm.backend
    token, lines = _of_token(settings) if chosen == "pkcs11" else (None, _of_software(settings))
    if as_json:
        operations = [asdict(line) for line in lines]
        click.echo(json.dumps({"backend": chosen, "token": token, "operations": operations}))
        return
    Console().print(_table(f"{chosen}{f', {token}' if token else ''}", lines))


def _of_software(settings: Settings) -> list[Line]:
    found = SoftwareHsm(PublishedKeys({})).capabilities().operations
    return [_line((*what, None), found.get(what), _IN_PROCESS, settings) for what in sorted(PROBED)]


def _of_token(settings: Settings) -> tuple[str, list[Line]]:
    with _token(settings) as place:
        found = find_out(place, sm4=wiring.sm4_mechanisms(settings))
    return str(place), [
        _line((what.operation, what.algorithm, what.under), exposure, how(what), settings)
        for what, exposure in sorted(found.items(), key=lambda item: _order(item[0]))
    ]


def _order(what: Any) -> tuple[str, str, str]:
    return what.operation, what.algorithm, what.under or ""


@contextmanager
def _token(settings: Settings) -> Iterator[TokenPlace]:
    if settings.hsm.pkcs11_token:
        yield wiring.token_place(settings)
        return
    with throw_away_token(_module(settings)) as place:
        yield place


def _module(settings: Settings) -> Path | None:
    return Path(settings.hsm.pkcs11_module) if settings.hsm.pkcs11_module else None


def _line(
    what: tuple[str, str, str | None], exposure: Exposure | None, text: str, settings: Settings
) -> Line:
    operation, algorithm, under = what
    if exposure is None:
        return Line(operation, algorithm, under, works=False, allowed=False, exposure=None, how=_DIFFERS)
    allowed = exposure <= wiring.maximum_exposure(settings)
    return Line(operation, algorithm, under, works=True, allowed=allowed, exposure=exposure.name, how=text)


def _table(title: str, lines: Sequence[Line]) -> Table:
    table = Table(title=title, title_justify="left")
    for column in ("operation", "algorithm", "under", "works", "allowed", "exposure"):
        table.add_column(column, no_wrap=True)
    table.add_column("how")
    for line in lines:
        works, allowed = ("yes" if each else "no" for each in (line.works, line.allowed))
        table.add_row(
            line.operation, line.algorithm, line.under or "", works, allowed, line.exposure or "", line.how
        )
    return table
