from __future__ import annotations

import shutil

import pytest

from tests.databases import Templates
from tests.platform import any_platform, install, make_platform, platform, sqlite_url
from tests.reports.lives import History, Lives

__all__ = ["any_platform", "make_platform", "platform", "sqlite_url"]


@pytest.fixture(scope="session")
def history(tmp_path_factory: pytest.TempPathFactory, migrated_databases: Templates) -> History:
    """Everything has happened once; a test works on a copy."""
    folder = tmp_path_factory.mktemp("history")
    database = folder / "ota.sqlite3"
    shutil.copy(migrated_databases.sqlite, database)
    lived = Lives(install(folder / "data", f"sqlite:///{database}")).live()
    return History.of(lived, database)
