"""What every command needs: the installation's settings, by the same three options, and errors without a stack."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from ota import settings as configuration
from ota.cli.plain_words import TOLD, plainly
from ota.settings import Settings

Command = TypeVar("Command", bound=Callable[..., Any])

_READ = "ota.cli.installation.settings"

_OPTIONS = (
    click.option(
        "--config",
        type=click.Path(path_type=Path),
        help="Folder of base.toml. [default: ./config, or else the one that was installed]",
    ),
    click.option("--data", type=click.Path(path_type=Path), help="Folder for SQLite and the software HSM."),
    click.option("--environment", type=click.Choice(["development", "sandbox", "production"])),
)


def installation_options(command: Command) -> Command:
    """Add --config, --data and --environment to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def told_plainly(command: Callable[..., Any]) -> Callable[..., Any]:
    """Show our own errors, and those of the world around us, as one message and exit code 1."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except BrokenPipeError:  # whoever reads our output has seen enough: click ends quietly
            raise
        except TOLD as error:
            told = plainly(error, click.get_current_context().meta.get(_READ))
            if told is None:
                raise
            raise click.ClickException(told) from error

    return run


def load_settings(
    config: Path | None, data: Path | None, environment: str | None, **overrides: Any
) -> Settings:
    """The settings with what the command line says about them; dots of a key are written as ``__``."""
    given = {key.replace("__", "."): value for key, value in overrides.items()}
    settings = configuration.load(config=config, overrides=given | {"data": data, "environment": environment})
    if (context := click.get_current_context(silent=True)) is not None:
        context.meta[_READ] = settings  # so that an error can name what it is about
    return settings
