"""Opens the database: SQLite for the embedded default, PostgreSQL for production."""

import logging
import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import ConnectionPoolEntry

_log = logging.getLogger(__name__)

WRITES = "ota_writes"
"""The execution option of a connection that is going to write (see Store.begin)."""

_PRAGMAS = (
    "PRAGMA journal_mode = WAL",  # readers and the one writer do not block each other
    "PRAGMA synchronous = FULL",  # an acknowledged write survives a power cut
    "PRAGMA foreign_keys = ON",
    "PRAGMA recursive_triggers = ON",  # INSERT OR REPLACE deletes too: the append-only triggers must see it
)


_OWNER_ONLY = 0o600


def open_engine(url: str, *, pool_size: int = 10, wait_s: float = 5.0) -> Engine:
    """An engine for ``sqlite:///…`` or ``postgresql+psycopg://…``; opens no connection yet.

    ``wait_s`` bounds every wait: for SQLite's write lock, for a row lock, for a free connection.
    """
    if sa.make_url(url).get_backend_name() == "sqlite":
        return _open_sqlite(url, wait_s, pool_size)
    milliseconds = int(wait_s * 1000)
    return sa.create_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=wait_s,
        pool_pre_ping=True,
        isolation_level="READ COMMITTED",
        hide_parameters=True,  # a failed statement's message must not carry card numbers into a log
        connect_args={
            "connect_timeout": max(2, int(wait_s)),
            "options": f"-c timezone=UTC -c lock_timeout={milliseconds}"
            f" -c idle_in_transaction_session_timeout={milliseconds * 6}",
        },
    )


def _open_sqlite(url: str, wait_s: float, pool_size: int) -> Engine:
    engine = sa.create_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=wait_s,
        poolclass=sa.QueuePool,
        hide_parameters=True,
        connect_args={"timeout": wait_s, "check_same_thread": False},
    )
    event.listen(engine, "do_connect", lambda *_: _keep_private(engine.url.database))
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _keep_private(database: str | None) -> None:
    """Make the file before SQLite does, for its owner only: it holds second factors, session tokens and MAC2s.

    SQLite gives -wal and -shm the mode of the file that they belong to.
    """
    if not database or database.startswith((":memory:", "file:")):
        return
    with suppress(OSError):  # no such folder, not our file: SQLite says what it cannot do
        os.close(os.open(database, os.O_RDWR | os.O_CREAT, _OWNER_ONLY))
        for file in (Path(database + ending) for ending in ("", "-wal", "-shm")):
            if file.exists() and file.stat().st_mode & ~_OWNER_ONLY & 0o777:
                _log.warning("%s could be read by others: from now on only by its owner", file.name)
                file.chmod(_OWNER_ONLY)


def _prepare(connection: sqlite3.Connection, _entry: ConnectionPoolEntry | Any) -> None:
    connection.isolation_level = None  # the driver must not begin by itself: _begin says which kind
    for pragma in _PRAGMAS:
        connection.execute(pragma).close()


def _begin(connection: Connection) -> None:
    # A deferred transaction that reads first and writes later fails at once when another wrote between
    # (SQLITE_BUSY_SNAPSHOT, no wait helps); IMMEDIATE queues for the lock before it reads anything.
    immediate = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")
