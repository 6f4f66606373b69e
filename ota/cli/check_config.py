"""``ota check-config``: finds every mistake in the configuration before a server does."""

from __future__ import annotations

import json
from typing import Any

import click

from ota import wiring
from ota.cities.check import check_config as find_mistakes
from ota.cli.installation import installation_options, load_settings, told_plainly
from ota.store.caller_file import read_callers


@click.command(name="check-config", short_help="Find every mistake in the configuration.")
@click.option("--json", "as_json", is_flag=True, help="Print a list of objects: file, key, expected.")
@installation_options
@told_plainly
def check_config(*, as_json: bool, **installation: Any) -> None:
    """Read settings, cities, card products and security domains; print each mistake, exit 1 if there is one."""
    settings = load_settings(**installation)
    wiring.open_scraping(settings)
    wiring.try_data_folder(settings)
    findings = find_mistakes(settings.config)
    if settings.sandbox.credentials:
        read_callers(settings.config / "sandbox" / "callers.toml")
    if as_json:
        fields = [{"file": found.file, "key": found.key, "expected": found.expected} for found in findings]
        click.echo(json.dumps(fields, ensure_ascii=False))
    else:
        for found in findings:
            click.echo(str(found), err=True)
        click.echo(
            f"{settings.config}: mistakes: {len(findings)}" if findings else f"{settings.config}: all is well"
        )
    if findings:
        raise click.exceptions.Exit(1)
