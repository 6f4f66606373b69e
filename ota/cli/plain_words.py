"""Errors of the world around a command in one line each: which setting names the thing, and what to do about it."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final

from redis.exceptions import RedisError
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from ota.core.errors import OtaError
from ota.settings import Settings, SettingsError

_log = logging.getLogger(__name__)

TOLD: Final = (
    SettingsError,
    OtaError,
    OSError,
    DBAPIError,
    ArgumentError,
    NoSuchModuleError,
    RedisError,
    UnicodeDecodeError,
    ImportError,
)
"""What a command ends with in one line; everything else is a mistake of ours, and shows where it was made."""


def plainly(error: Exception, settings: Settings | None) -> str | None:
    """The line for an error, or None for one that is a mistake of ours. ``settings`` as far as they were read."""
    _log.debug("what the one line stands for", exc_info=error)
    if isinstance(error, DBAPIError) or isinstance(error.__cause__, DBAPIError):
        return _of_database(error, settings)
    if isinstance(error, OSError):
        return _of_file(error, settings)
    if isinstance(error, ImportError):
        return _of_driver(error)
    return next((told(error) for kinds, told in _WORDS if isinstance(error, kinds)), None)


def place_of_database(settings: Settings | None) -> str:
    """The setting that names the database, with the file where it is one."""
    if settings is None or settings.database.url:
        return "database.url"
    return f"data: {settings.data.absolute() / 'ota.sqlite3'}"


def _of_database(error: Exception, settings: Settings | None) -> str:
    driver = error if isinstance(error, DBAPIError) else error.__cause__
    said = driver.orig if isinstance(driver, DBAPIError) else driver
    where = place_of_database(settings)
    remedy = "look whether its server runs, or correct OTA_DATABASE_URL"
    if isinstance(said, sqlite3.Error):
        remedy = (
            "expected a database of this platform: name its folder with --data, or put a backup in its place"
        )
        if "locked" in str(said):
            remedy = "another process writes to it: try again later"
    return f"{where}: {_first_line(said)}: {remedy}"


def _of_driver(error: ImportError) -> str | None:
    if "psycopg" not in f"{error.name} {error}" and "pq wrapper" not in str(error):
        return None
    return f"database.url: its driver cannot be loaded ({_first_line(error)}): install the pinned psycopg[binary]"


def _of_file(error: OSError, settings: Settings | None) -> str:
    """Name the file, and the data folder where it is in there."""
    if error.filename is None:
        return _first_line(error)
    what = f"{error.filename}: {error.strerror}"
    if settings is not None and Path(str(error.filename)).absolute().is_relative_to(settings.data.absolute()):
        return f"data: {what}: name a folder that can be written with --data or OTA_DATA"
    return f"{what}: look at the path and who may use it"


def _first_line(error: object) -> str:
    """What a library says, without what follows: statements, and advice for programmers."""
    return str(error).strip().partition("\n")[0].rstrip(".")


def _of_redis(error: Exception) -> str:
    return f"redis.url: {_first_line(error)}: start Redis or Valkey there, or correct OTA_REDIS_URL"


def _of_text(error: Exception) -> str:
    """Without the text itself, which may be a secret."""
    where = f"{error.reason} at byte {error.start}" if isinstance(error, UnicodeDecodeError) else "a byte"
    return f"a file is not UTF-8 text ({where}): write it anew"


def _of_address(_error: Exception) -> str:
    return "database.url: expected sqlite:///… or postgresql+psycopg://…: correct OTA_DATABASE_URL"


_WORDS: Final[tuple[tuple[tuple[type[Exception], ...], Callable[[Exception], str]], ...]] = (
    ((SettingsError, OtaError), str),
    ((ArgumentError, NoSuchModuleError), _of_address),
    ((RedisError,), _of_redis),
    ((UnicodeDecodeError,), _of_text),
)
