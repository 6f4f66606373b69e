from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ota import wiring
from ota.settings import load
from ota.store.migrations import upgrade


@pytest.fixture
def built(tmp_path: Path, database_url: str) -> Iterator[wiring.Wiring]:
    """The whole platform on each database."""
    platform = wiring.build(
        load(environ={}, overrides={"data": str(tmp_path / "data"), "database.url": database_url})
    )
    upgrade(platform.store.engine)
    yield platform
    platform.store.close()


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[wiring.Wiring]:
    """The whole platform on SQLite."""
    platform = wiring.build(load(environ={}, overrides={"data": str(tmp_path / "data")}))
    upgrade(platform.store.engine)
    yield platform
    platform.store.close()
