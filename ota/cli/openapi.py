"""``ota openapi``: the API's description as a file."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import click

from ota import wiring
from ota.app import create_app
from ota.cli.installation import load_settings, told_plainly
from ota.web.description import openapi as description_of


@click.command(short_help="Print the OpenAPI 3.1 description.")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="Folder of base.toml. [default: ./config, or else the one that was installed]",
)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file.")
@told_plainly
def openapi(config: Path | None, output: Path | None) -> None:
    """Print the OpenAPI 3.1 description; docs/openapi.json is written by this and held against it by a test."""
    text = description(config)
    if output is None:
        click.echo(text, nl=False)
    else:
        _write(output, text)


def _write(output: Path, text: str) -> None:
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.BadParameter(
            f"{output}: {error.strerror}: expected a file in a folder that there is", param_hint="--output"
        ) from error


def description(config: Path | None = None) -> str:
    """The description as the text of a file; built on an empty installation that is thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        built = wiring.build(_settings(config, Path(folder)))
        document = description_of(create_app(built))
        built.store.close()
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _settings(config: Path | None, folder: Path) -> Any:
    return load_settings(config, folder, "development")
