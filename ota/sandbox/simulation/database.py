"""The databases that simulations run on: prepared once, and back to that state before every run."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Protocol, cast

import sqlalchemy as sa

from ota import settings as configuration
from ota.cli.preparation import prepare
from ota.settings import Settings
from ota.store.engine import open_engine


class Database(Protocol):
    """Gives each run the same prepared state."""

    def fresh(self) -> sa.Engine:
        """An engine over a database as it was prepared; the one given before is not used any more."""
        ...


class SqliteDatabase:
    """SQLite, in memory unless a file is named: the prepared pages are copied in. One thread, one connection."""

    def __init__(self, prepared: Path, url: str) -> None:
        self._engine = open_engine(url, pool_size=1)
        self._prepared = sqlite3.connect(prepared)

    def fresh(self) -> sa.Engine:
        """Overwrite everything with the prepared state."""
        with closing(self._engine.raw_connection()) as raw:
            connection = cast(sqlite3.Connection, raw.driver_connection)
            connection.execute("PRAGMA synchronous = OFF").close()  # nobody pulls this plug
            self._prepared.backup(connection)
        return self._engine

    def close(self) -> None:
        """Give the memory back."""
        self._engine.dispose()
        self._prepared.close()


class PostgresDatabase:
    """PostgreSQL: a prepared database as the template, and a copy of it for each run.

    The user of the URL must be allowed to create databases; two are made beside the named one and dropped again.
    """

    def __init__(self, settings: Settings, moment: datetime) -> None:
        self._url = sa.make_url(settings.database.url)
        self._template, self._copy = (f"{self._url.database}_simulation_{end}" for end in ("0", "1"))
        self._admin = sa.create_engine(self._url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        self._engine: sa.Engine | None = None
        self._execute(f'DROP DATABASE IF EXISTS "{self._template}"', f'CREATE DATABASE "{self._template}"')
        prepare(_at(settings, self._address(self._template)), moment)

    def fresh(self) -> sa.Engine:
        """Copy the template."""
        self._drop_copy()
        self._execute(f'CREATE DATABASE "{self._copy}" TEMPLATE "{self._template}"')
        self._engine = open_engine(self._address(self._copy), pool_size=4)
        return self._engine

    def close(self) -> None:
        """Drop both databases."""
        self._drop_copy()
        self._execute(f'DROP DATABASE IF EXISTS "{self._template}"')

    def _drop_copy(self) -> None:
        if self._engine is not None:
            self._engine.dispose()
        self._execute(f'DROP DATABASE IF EXISTS "{self._copy}" WITH (FORCE)')

    def _address(self, name: str) -> str:
        return self._url.set(database=name).render_as_string(hide_password=False)

    def _execute(self, *statements: str) -> None:
        with self._admin.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)


@contextmanager
def prepared_database(settings: Settings, moment: datetime) -> Iterator[Database]:
    """Prepare the database that the settings name: PostgreSQL, a SQLite file, or memory without a URL."""
    url = settings.database.url
    database: SqliteDatabase | PostgresDatabase
    if url.startswith("postgresql"):
        database = PostgresDatabase(settings, moment)
    else:
        prepared = settings.data / "prepared.sqlite3"
        prepare(_at(settings, f"sqlite:///{prepared}"), moment)
        database = SqliteDatabase(prepared, url or "sqlite://")
    try:
        yield database
    finally:
        database.close()


def _at(settings: Settings, url: str) -> Settings:
    overrides = {"data": str(settings.data), "environment": settings.environment, "database.url": url}
    return configuration.load(config=settings.config, environ={}, overrides=overrides)
