"""Tables that only grow: the database itself refuses to change or remove their rows."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

MARK = "append_only"

_SQLITE = """
CREATE TRIGGER {table}_no_{verb} BEFORE {VERB} ON {table}
BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END
"""

_POSTGRESQL_FUNCTION = """
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation'; END $$
"""

_POSTGRESQL = """
CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
"""


def append_only(table: sa.Table) -> sa.Table:
    """Mark a model's table: UPDATE, DELETE and TRUNCATE raise IntegrityError in the database.

    The migration that creates the table calls ``op.append_only(name)``; autogenerate writes that line.
    """
    table.info[MARK] = True
    event.listen(table, "after_create", _after_create)
    return table


def statements(table: str, dialect: str) -> list[str]:
    """The DDL that guards one table on ``sqlite`` or ``postgresql``."""
    if dialect == "sqlite":
        return [_SQLITE.format(table=table, verb=verb, VERB=verb.upper()) for verb in ("update", "delete")]
    return [_POSTGRESQL_FUNCTION, _POSTGRESQL.format(table=table)]


def _after_create(table: sa.Table, connection: sa.Connection, **_: Any) -> None:
    for statement in statements(table.name, connection.dialect.name):
        connection.exec_driver_sql(statement.replace("%", "%%"))
