from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ota.sandbox.element import Element
from ota.settings import load
from tests.journeys.world import Platform, World, new_element


def _platform(data: Path, url: str = "") -> Platform:
    overrides = {"data": str(data)} | ({"database.url": url} if url else {})
    return Platform(load(environ={}, overrides=overrides))


@pytest.fixture
def world(tmp_path: Path, migrated_database_url: str) -> Iterator[World]:
    """A platform of this test's own: the test runs once on SQLite and once on PostgreSQL."""
    platform = _platform(tmp_path / "data", migrated_database_url)
    yield World(platform)
    platform.close()


@pytest.fixture(scope="session")
def province(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One platform for all tests that only add cards to it."""
    platform = _platform(tmp_path_factory.mktemp("province"))
    yield World(platform)
    platform.close()


@pytest.fixture
def element() -> Element:
    """A blank element with SCP03 and a challenge that can be predicted."""
    return new_element()


@pytest.fixture
def card(world: World) -> Element:
    """A Guangzhou card that the platform issued, empty."""
    element = new_element()
    assert world.user(element).get_card("guangzhou").ok
    return element
