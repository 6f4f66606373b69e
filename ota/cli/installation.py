"""What every command needs: the installation's settings, by the same three options, and errors without a stack."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from ota import settings as configuration
from ota.core.errors import OtaError
from ota.settings import Settings, SettingsError

Command = TypeVar("Command", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--config", type=click.Path(path_type=Path), help="Folder of base.toml. [default: ./config]"
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
    """Show our own errors as one message and exit code 1."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except (SettingsError, OtaError) as error:
            raise click.ClickException(str(error)) from error

    return run


def load_settings(
    config: Path | None, data: Path | None, environment: str | None, **overrides: Any
) -> Settings:
    """The settings with what the command line says about them; dots of a key are written as ``__``."""
    given = {key.replace("__", "."): value for key, value in overrides.items()}
    return configuration.load(config=config, overrides=given | {"data": data, "environment": environment})
