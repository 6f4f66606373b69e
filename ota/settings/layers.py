"""Reads the layers: a file, the environment; checks every key and value against the sections' types."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, NoReturn, get_args, get_origin, get_type_hints

from ota.settings.sections import ENVIRONMENTS, Settings, SettingsError

_PREFIX = "OTA_"
_NOT_SETTINGS = ("OTA_CONFIG", "OTA_TEST_")

Layer = dict[str, tuple[str, Any]]
"""Dotted key -> where it stands, and its value."""


def from_file(path: Path) -> Layer:
    """Every key of one file; raises SettingsError for a missing or broken file and for an unknown key."""
    try:
        with path.open("rb") as file:
            document = tomllib.load(file)
    except FileNotFoundError:
        raise SettingsError(f"{path}: expected this file") from None
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}: expected a file that can be read") from None
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: byte {error.start} is no UTF-8: expected a file in UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: {error}") from None
    known = dict(_keys(Settings))
    layer = {key: (str(path), value) for key, value in _flatten(document)}
    _refuse_unknown(layer, known)
    return layer


def _flatten(document: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in document.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def from_environment(environ: Mapping[str, str]) -> Layer:
    """Every setting that a variable names; raises SettingsError for an unknown OTA_ variable."""
    keys = {_PREFIX + key.replace(".", "_").upper(): key for key, _ in _keys(Settings)}
    layer: Layer = {}
    for variable, text in environ.items():
        if not variable.startswith(_PREFIX) or variable.startswith(_NOT_SETTINGS):
            continue
        if variable not in keys:
            raise SettingsError(f"the variable {variable} is unknown; {_nearest(variable, keys)}")
        layer[keys[variable]] = (f"the variable {variable}", text)
    return layer


def _nearest(variable: str, known: Iterable[str]) -> str:
    """What may have been meant: all of them at once would fill a screen."""
    if found := get_close_matches(variable, sorted(known), n=3, cutoff=0.7):
        return f"did you mean {' or '.join(found)}?"
    return "expected OTA_<SECTION>_<KEY> of a key in config/base.toml"


def _keys(kind: type[Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every dotted key and its type; the folder of the files is no key of theirs."""
    hints = get_type_hints(kind)
    for each in fields(kind):
        if is_dataclass(hints[each.name]):
            yield from _keys(hints[each.name], f"{each.name}.")
        elif (kind, each.name) != (Settings, "config"):
            yield f"{prefix}{each.name}", hints[each.name]


def _refuse_unknown(layer: Layer, known: Mapping[str, Any]) -> None:
    for key, (where, _) in layer.items():
        if key not in known:
            section = key.rpartition(".")[0]
            beside = sorted(name for name in known if name.rpartition(".")[0] == section) or sorted(known)
            raise SettingsError(f"{where}: {key} is unknown; expected one of {', '.join(beside)}")


def check_environment(where: str, value: object) -> None:
    """Raise SettingsError unless the value names an environment, before its file is looked for."""
    if value not in ENVIRONMENTS:
        raise SettingsError(f"{where}: environment: expected one of {', '.join(ENVIRONMENTS)}")


def build(layers: Layer, folder: Path) -> Settings:
    """Check and convert every value; raises SettingsError."""
    known = dict(_keys(Settings))
    _refuse_unknown(layers, known)
    values = {key: _convert(where, key, known[key], value) for key, (where, value) in layers.items()}
    sections: dict[str, dict[str, Any]] = {}
    top: dict[str, Any] = {"config": folder}
    for key, value in values.items():
        section, _, name = key.rpartition(".")
        (sections.setdefault(section, {}) if section else top)[name] = value
    hints = get_type_hints(Settings)
    return Settings(**top, **{name: hints[name](**content) for name, content in sections.items()})


def _convert(where: str, key: str, kind: Any, value: Any) -> Any:
    """Check a value against its field's type; text from a variable or an option is read as that type."""
    try:
        return _read_as(kind, value)
    except ValueError:
        wanted = " or ".join(map(str, get_args(kind))) if get_origin(kind) is Literal else kind.__name__
        raise SettingsError(f"{where}: {key}: expected {wanted}") from None


def _read_as(kind: Any, value: Any) -> Any:
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            raise ValueError
        return value
    if kind is bool and isinstance(value, str):
        return {"true": True, "false": False}[value] if value in ("true", "false") else _fail()
    if kind in (Path, float, int) and isinstance(value, str):
        return kind(value)
    if kind is float and type(value) is int:
        return float(value)
    return value if type(value) is kind or (kind is Path and isinstance(value, Path)) else _fail()


def _fail() -> NoReturn:
    raise ValueError
