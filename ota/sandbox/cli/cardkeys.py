"""``ota-sandbox cardkeys``: which test keys a card of this number has."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ota.core.errors import OtaError
from ota.sandbox.cli.endings import failure
from ota.sandbox.factors import factors_of
from ota.sandbox.test_masters import card_masters
from ota.settings import SettingsError


@click.command(short_help="Print the published test masters of a card.")
@click.option("--card-no", required=True, help="The 19 digits.")
@click.option(
    "--config",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    help="Folder of base.toml. [default: ./config, or else the one that was installed]",
)
@click.option("--json", "as_json", is_flag=True, help="On one line, for machines.")
def cardkeys(card_no: str, config: Path | None, *, as_json: bool) -> None:
    """Print the published test masters and the factor path of a card, to personalise a strange card for tests.

    Apply each factor in turn, outermost first. 3DES: key = E(key, F) ‖ E(key, NOT F); SM4: key = E(key, F ‖ NOT F).
    """
    try:
        masters = card_masters(factors_of(card_no, config))
    except (OtaError, SettingsError) as error:
        click.echo(json.dumps(failure(error), ensure_ascii=False) if as_json else str(error), err=not as_json)
        raise click.exceptions.Exit(1) from None
    click.echo(json.dumps(masters, indent=None if as_json else 2))
