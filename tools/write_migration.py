"""Writes the next migration after a model changed: ``python -m tools.write_migration "issuance tables"``."""

import sys
import tempfile
from pathlib import Path

from ota.store.engine import open_engine
from ota.store.migrations import upgrade, write_revision
from ota.wiring import metadata


def main() -> None:
    """Migrate an empty SQLite database to what is checked in, then write what the models have beyond it."""
    if len(sys.argv) != 2:
        sys.exit('usage: python -m tools.write_migration "what the migration adds"')
    metadata()  # imports every model
    with tempfile.TemporaryDirectory() as folder:
        engine = open_engine(f"sqlite:///{Path(folder) / 'empty.sqlite3'}")
        upgrade(engine)
        write_revision(engine, sys.argv[1])
        engine.dispose()


if __name__ == "__main__":
    main()
