"""Inserts that do not mind a row that is already there."""

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection


def insert_unless_known(tx: Connection, table: sa.Table, row: Mapping[str, object]) -> bool:
    """INSERT … ON CONFLICT DO NOTHING; False when a row with the same key was there, uncommitted ones awaited."""
    dialect = sqlite if tx.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(table).values(**row).on_conflict_do_nothing()
    # Without this option psycopg has forgotten the count by the time it is asked for.
    return tx.execute(statement.execution_options(preserve_rowcount=True)).rowcount == 1
