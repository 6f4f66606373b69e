"""What our migrations can say beyond alembic's own words, and how autogenerate writes it down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from alembic.autogenerate import renderers
from alembic.operations import MigrateOperation, Operations, ops

from ota.store import types
from ota.store.append_only import MARK, statements
from ota.store.schema import metadata

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext
    from alembic.runtime.migration import MigrationContext


@Operations.register_operation("append_only")
class AppendOnly(MigrateOperation):
    """Guard a table against UPDATE, DELETE and TRUNCATE."""

    def __init__(self, table: str) -> None:
        self.table = table

    @classmethod
    def append_only(cls, operations: Operations, table: str) -> Any:
        """``op.append_only("posting")`` inside a migration."""
        return operations.invoke(cls(table))

    def reverse(self) -> ops.ExecuteSQLOp:
        """Dropping the table drops its triggers: nothing else to do."""
        return ops.ExecuteSQLOp("SELECT 1")


@Operations.implementation_for(AppendOnly)
def _guard(operations: Operations, operation: AppendOnly) -> None:
    connection = operations.get_bind()
    for statement in statements(operation.table, connection.dialect.name):
        connection.exec_driver_sql(statement.replace("%", "%%"))


@renderers.dispatch_for(AppendOnly)
def _render(_context: AutogenContext, operation: AppendOnly) -> str:
    return f"op.append_only({operation.table!r})"


def add_guards(_context: MigrationContext, _revision: object, scripts: list[ops.MigrationScript]) -> None:
    """Follow every new table that its model marks as append-only with its guard."""
    upgrades = scripts[0].upgrade_ops
    if upgrades is None:
        return
    for operation in list(upgrades.ops):
        if isinstance(operation, ops.CreateTableOp) and metadata.tables[operation.table_name].info.get(MARK):
            upgrades.ops.append(AppendOnly(operation.table_name))


def render_type(kind: str, item: object, _context: AutogenContext) -> str | Literal[False]:
    """Write our own column types by their names; everything else as alembic does."""
    if kind == "type" and isinstance(item, (types.UtcDateTime, types.Json)):
        return f"types.{type(item).__name__}()"
    return False
