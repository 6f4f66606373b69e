"""What the role that serves may do on PostgreSQL: everything that the product needs, and nothing that undoes a guard.

Whoever owns a table may take its triggers off. So the tables belong to a role that migrates and never serves, and the
one that serves is granted what the models say: rows of an append-only table are read and added, no more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from ota.core.errors import Conflict
from ota.store.append_only import MARK

FORGETTING: Final = frozenset({"outbox", "idempotency", "replay_guard"})
"""The only tables from which the product removes rows: work that is done, answers and proofs that are too old."""

_VERSION: Final = "alembic_version"

_UNDOING: Final = "UPDATE, DELETE, TRUNCATE, TRIGGER"


class RoleUnfit(Conflict):
    """A role cannot be given, or kept to, the rights of a server."""

    code = "role_unfit"

    def __init__(self, role: str, why: str) -> None:
        super().__init__(
            english=f"The database's role {role} is unfit to serve: {why}.",
            chinese=f"数据库角色 {role} 不适合用于服务进程: {why}。",
            details={"role": role},
        )


def statements(tx: Connection, role: str, tables: Iterable[sa.Table]) -> list[str]:
    """The SQL that gives a role a server's rights in the schema of this connection, and takes all others from it."""
    quote = tx.dialect.identifier_preparer.quote_identifier
    schema, to = quote(str(tx.execute(sa.select(sa.func.current_schema())).scalar_one())), quote(role)
    return [
        f"REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC",
        f"REVOKE ALL ON SCHEMA {schema} FROM {to}",
        f"REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM PUBLIC, {to}",
        f"REVOKE ALL ON ALL SEQUENCES IN SCHEMA {schema} FROM PUBLIC, {to}",
        f"GRANT USAGE ON SCHEMA {schema} TO {to}",
        f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {to}",
        f"GRANT SELECT ON {_VERSION} TO {to}",
        *(
            f"GRANT {_rights(table)} ON {quote(table.name)} TO {to}"
            for table in sorted(tables, key=lambda table: table.name)
        ),
    ]


def give(tx: Connection, role: str, tables: Sequence[sa.Table]) -> None:
    """Give a role a server's rights; may be repeated, and must be after each upgrade. Raises RoleUnfit."""
    require_postgresql(tx)
    if tx.execute(sa.text("SELECT 1 FROM pg_roles WHERE rolname = :role"), {"role": role}).first() is None:
        raise RoleUnfit(role, "there is no such role (CREATE ROLE ... LOGIN)")
    for statement in statements(tx, role, tables):
        tx.exec_driver_sql(statement)
    if undoes := may_undo(tx, tables, role):
        raise RoleUnfit(
            role,
            f"it can undo the guard of {', '.join(undoes)}, as their owner, one of its members or a superuser",
        )


def may_undo(tx: Connection, tables: Iterable[sa.Table], role: str | None = None) -> list[str]:
    """The append-only tables that a role (this connection's own) could change; none on SQLite, which has no roles."""
    if tx.dialect.name != "postgresql":
        return []
    query = sa.text(
        "SELECT rolsuper OR pg_has_role(rolname, relowner, 'MEMBER') "
        "OR has_table_privilege(rolname, pg_class.oid, :undoing) "
        "FROM pg_roles, pg_class WHERE rolname = COALESCE(:role, current_user) "
        "AND pg_class.oid = CAST(:name AS regclass)"
    )
    guarded = sorted(table.name for table in tables if table.info.get(MARK))
    return [
        name
        for name in guarded
        if tx.execute(query, {"role": role, "name": name, "undoing": _UNDOING}).scalar_one()
    ]


def missing(tx: Connection, tables: Iterable[sa.Table]) -> list[str]:
    """The tables that this connection's role may not use as the product does: made since rights were last given."""
    if tx.dialect.name != "postgresql":
        return []
    query = sa.text(
        "SELECT bool_and(has_table_privilege(:name, r)) FROM unnest(CAST(:rights AS text[])) AS r"
    )
    return [
        table.name
        for table in sorted(tables, key=lambda table: table.name)
        if not tx.execute(query, {"name": table.name, "rights": _rights(table).split(", ")}).scalar_one()
    ]


def require_postgresql(tx: Connection) -> None:
    """Raise RoleUnfit where there are no roles."""
    if tx.dialect.name != "postgresql":
        raise RoleUnfit("-", "roles are PostgreSQL's, and database.url names another database")


def _rights(table: sa.Table) -> str:
    if table.info.get(MARK):
        return "SELECT, INSERT"
    return "SELECT, INSERT, UPDATE, DELETE" if table.name in FORGETTING else "SELECT, INSERT, UPDATE"
