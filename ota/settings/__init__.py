"""The settings of one installation: TOML files in layers, then the environment, then the command line.

``base.toml`` holds every key with its default; ``<environment>.toml`` changes what differs there; a variable
``OTA_<SECTION>_<KEY>`` (or ``OTA_<KEY>`` for one without a section) and a command line option win over both.
An unknown key is an error that names where it stands and what was expected.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ota.settings.layers import build, check_environment, from_environment, from_file
from ota.settings.refusals import refusals
from ota.settings.sections import Server, Settings, SettingsError

__all__ = ["Server", "Settings", "SettingsError", "find_config", "load"]


def load(
    *,
    config: Path | None = None,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Settings:
    """Read every layer and check the result; raises SettingsError naming all that is wrong.

    ``overrides`` maps dotted keys (``server.port``) to values from the command line; None is no override.
    """
    variables = os.environ if environ is None else environ
    folder = find_config(config, variables)
    given = {key: value for key, value in (overrides or {}).items() if value is not None}
    base = from_file(folder / "base.toml")
    upper = from_environment(variables) | {key: ("the command line", value) for key, value in given.items()}
    environment = upper.get("environment", base.get("environment", ("the default", "development")))
    check_environment(*environment)
    layers = base | from_file(folder / f"{environment[1]}.toml") | upper
    settings = build(layers, folder)
    if problems := list(refusals(settings)):
        raise SettingsError("\n".join(problems))
    return settings


def find_config(config: Path | None, environ: Mapping[str, str]) -> Path:
    """The first folder with a base.toml: as told, OTA_CONFIG, ./config, beside the package, sys.prefix/share."""
    if told := config or environ.get("OTA_CONFIG"):
        if not (Path(told) / "base.toml").is_file():
            raise SettingsError(f"{told}: expected a folder with base.toml")
        return Path(told).absolute()
    beside = Path(__file__).parent.parent.parent / "config"
    places = (Path("config"), beside, Path(sys.prefix) / "share" / "ota" / "config")
    for place in places:
        if (place / "base.toml").is_file():
            return place.absolute()
    raise SettingsError(
        f"no base.toml in any of {', '.join(map(str, places))}; name its folder with --config"
    )
