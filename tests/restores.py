"""A platform whose SQLite database goes back to an earlier moment, as from a backup, and is told so."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import make_url

from ota.service_desk import restoration
from ota.service_desk.restoration import Report
from tests.platform import Platform

OUTAGE = timedelta(hours=1)
"""From the last write before the disaster to the restore."""


@dataclass
class Backup:
    """What the database was."""

    platform: Platform
    copy: sqlite3.Connection

    def put_back(self) -> None:
        """Replace the database by what it was; nobody is told."""
        self.platform.built.store.close()
        with closing(sqlite3.connect(_file_of(self.platform))) as database:
            self.copy.backup(database)
        self.platform.clock.moment += OUTAGE

    def restored(self, *, skip: int = 2) -> Report:
        """Put it back, and say so."""
        self.put_back()
        return tell(self.platform, skip=skip)


def backup(platform: Platform) -> Backup:
    """Copy the database as it is now; a moment passes."""
    copy = sqlite3.connect(":memory:")
    with closing(sqlite3.connect(_file_of(platform))) as database:
        database.backup(copy)
    platform.clock.advance(minutes=1)
    return Backup(platform, copy)


def tell(platform: Platform, *, skip: int = 2) -> Report:
    """What `ota db restored` does; what is paid from then on was paid after the restore."""
    with platform.built.store.begin() as tx:
        report = restoration.restore(tx, "operator", skip, platform.clock.now())
    platform.clock.advance(minutes=11)
    return report


def _file_of(platform: Platform) -> str:
    name = make_url(platform.settings.database.url).database
    assert name is not None
    return name
