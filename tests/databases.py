"""Databases that live as long as one test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import ClassVar

import psycopg
from sqlalchemy import make_url

from ota.store.engine import open_engine
from ota.store.migrations import upgrade


@dataclass(frozen=True, slots=True)
class Templates:
    """Migrated databases that tests copy: a SQLite file and the name of a PostgreSQL database."""

    VARIABLE: ClassVar[str] = "OTA_TEST_TEMPLATES"

    sqlite: Path
    postgresql: str

    @property
    def name(self) -> str:
        """Both as one word, for the environment."""
        return f"{self.sqlite}{os.pathsep}{self.postgresql}"

    @classmethod
    def named(cls, name: str) -> Templates:
        """The reverse of `name`."""
        sqlite, _, postgresql = name.rpartition(os.pathsep)
        return cls(Path(sqlite), postgresql)


def migrate(url: str) -> None:
    """Bring an empty database to the tables that the platform expects, and close it."""
    engine = open_engine(url)
    upgrade(engine)
    engine.dispose()


@dataclass(slots=True)
class PostgresServer:
    """A PostgreSQL server, seen by one of the parallel test processes."""

    url: str
    worker: str
    _numbers: Iterator[int] = field(default_factory=count)

    @contextmanager
    def database(self, template: str = "template1") -> Iterator[str]:
        """Make a database from a template, yield its URL and drop it afterwards."""
        name = self.create(template)
        try:
            yield self.url_of(name)
        finally:
            self._execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    def create(self, template: str = "template1") -> str:
        """Make a database that stays until the server ends; return its name."""
        name = f"test_{self.worker}_{os.getpid()}_{next(self._numbers)}"
        self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
        return name

    def url_of(self, name: str) -> str:
        """Give the address of a database in SQLAlchemy's form."""
        return make_url(self.url).set(database=name).render_as_string(hide_password=False)

    def _execute(self, statement: str) -> None:
        address = make_url(self.url).set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(statement.encode())
