"""A phase: one short transaction, owned by a service method (ARCHITECTURE: decisions, 1)."""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError, InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from ota.core.errors import Unavailable
from ota.store.engine import WRITES

_log = logging.getLogger(__name__)


class Store:
    """The database as services see it: phases that write, and reads."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._writer = engine.execution_options(**{WRITES: True})

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """Open a phase that writes: commit at its end, roll back on any error.

        Keep it short and silent: no HSM, no HTTP, no sleep inside. Raises Unavailable when the database
        is down, full, locked for too long or chose this phase as a deadlock's victim.
        """
        with _unavailable_when_down(), self._writer.begin() as tx:
            yield tx

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a look at the database that writes nothing.

        One statement sees one moment. Two may see two on PostgreSQL (READ COMMITTED): a caller whose answer rests on
        both takes `snapshot`, or checks again in the phase that writes.
        """
        with _unavailable_when_down(), self.engine.connect() as tx:
            yield tx

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Open a look at the database as it is at one moment, however long it takes; writes nothing."""
        with _unavailable_when_down(), self.engine.connect() as tx:
            if tx.dialect.name == "postgresql":
                tx.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            yield tx

    def ping(self) -> None:
        """Ask the database the simplest question; raises Unavailable when it does not answer."""
        with self.read() as tx:
            tx.execute(sa.select(1))

    def close(self) -> None:
        """Give every pooled connection back to the operating system."""
        self.engine.dispose()


@contextmanager
def _unavailable_when_down() -> Iterator[None]:
    try:
        yield
    except NoConnectionFree as error:
        _log.warning("no database connection became free in time")
        raise Unavailable(code="database_unavailable") from error
    except (OperationalError, InterfaceError, InternalError) as error:
        if _is_a_mistake(error):
            raise
        # Its first line says it all, and without a database every request would leave a screenful.
        _log.error("the database cannot be used now: %s", _first_line(error))
        _log.debug("where it was noticed", exc_info=error)
        raise Unavailable(code="database_unavailable") from error
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
        raise Unavailable(code="database_unavailable") from error


def _is_a_mistake(error: DBAPIError) -> bool:
    """Whether the statement is wrong, or the schema: SQLite calls a missing column operational, like a full disk."""
    return getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR


def _first_line(error: DBAPIError) -> str:
    """What the driver says, without the statement and its values."""
    return str(error.orig).strip().partition("\n")[0]
