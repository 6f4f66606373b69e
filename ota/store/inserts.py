"""Inserts that do not mind a row that is already there."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection


def insert_or_skip(tx: Connection, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    """INSERT … ON CONFLICT DO NOTHING; the result's ``rowcount`` is 1 when it inserted, else 0.

    An uncommitted row with the same key is waited for.
    """
    insert: sqlite.Insert | postgresql.Insert
    if tx.dialect.name == "sqlite":
        insert = sqlite.insert(table).on_conflict_do_nothing()
    else:
        insert = postgresql.insert(table).on_conflict_do_nothing()
    # Without this option psycopg has forgotten the count by the time it is asked for.
    return insert.execution_options(preserve_rowcount=True)
