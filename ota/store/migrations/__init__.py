"""Brings a database to the tables that this version of the platform expects.

Versions go forward only: what was written append-only is not dropped by a downgrade, an older state is a restore.
The next version is written by ``python -m tools.write_migration``.
"""

import os
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection, Engine

from ota.store.engine import WRITES
from ota.store.migrations import operations  # noqa: F401  registers op.append_only
from ota.store.schema import metadata

_FOLDER = Path(__file__).parent
_LOCK = 0x4F5441  # "OTA": the advisory lock that starters of one database queue for
_LOCK_WAIT = "60s"


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Run the missing migrations in one transaction; safe when several processes start at once."""
    with engine.execution_options(**{WRITES: True}).begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text(f"SET LOCAL lock_timeout = '{_LOCK_WAIT}'"))
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        command.upgrade(_config(connection), revision)


def current(engine: Engine) -> str | None:
    """The version the database is at; None for an empty one."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def newest() -> str | None:
    """The version this code expects."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def write_revision(engine: Engine, message: str, folder: Path | None = None) -> None:
    """Write the migration from the migrated database to the models that are imported now.

    ``folder`` is where to write it; among the other versions unless told.
    """
    with engine.connect() as connection:
        config = _config(connection)
        if folder is not None:
            config.set_main_option("version_locations", f"{_FOLDER / 'versions'}{os.pathsep}{folder}")
        number = len(list(ScriptDirectory.from_config(config).walk_revisions())) + 1
        command.revision(
            config,
            message,
            autogenerate=True,
            rev_id=f"{number:04d}",
            version_path=None if folder is None else str(folder),
        )


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    config.attributes["metadata"] = metadata
    return config
