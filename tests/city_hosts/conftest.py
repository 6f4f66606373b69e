from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ota.registry import numbers
from ota.sandbox.city_host_messages import Signature
from tests.city_hosts.installation import Asking, Card, Province, city_file, forget_numbers, make_province
from tests.databases import Templates
from tests.elements import blank
from tests.platform import Platform, cities_of, edited_config, install, sqlite_url

__all__ = ["sqlite_url"]


@pytest.fixture(scope="session")
def card_room(tmp_path_factory: pytest.TempPathFactory, migrated_databases: Templates) -> Iterator[Platform]:
    """Where Foshan's cards are made, with the same published test masters."""
    folder = tmp_path_factory.mktemp("card-room")
    shutil.copy(migrated_databases.sqlite, path := folder / "ota.sqlite3")
    room = install(folder / "data", f"sqlite:///{path}")
    city = cities_of(room.settings.config).by_name("foshan")
    with room.built.store.begin() as tx:
        numbers.add(tx, city.code, [city.number(serial) for serial in range(300)], room.clock.now())
    yield room
    room.built.store.close()


@pytest.fixture
def card(card_room: Platform) -> Card:
    """An empty Foshan card of this test's own."""
    element = blank(seed=card_room.fresh("foshan"))
    return Card(card_room.issue(element, "foshan"), element)


@pytest.fixture
def province(tmp_path: Path, sqlite_url: str) -> Iterator[Province]:
    """A platform between this test's callers and Foshan's host."""
    made = make_province(tmp_path / "data", sqlite_url, tmp_path)
    yield made
    made.built.store.close()


@pytest.fixture
def open_province(tmp_path: Path, sqlite_url: str) -> Iterator[Province]:
    """The same where the city's own terminals load its cards as well."""
    made = make_province(tmp_path / "data", sqlite_url, tmp_path, others_load=True)
    yield made
    made.built.store.close()


@pytest.fixture
def any_province(tmp_path: Path, migrated_database_url: str) -> Iterator[Province]:
    """The same, once on SQLite and once on PostgreSQL."""
    made = make_province(tmp_path / "data", migrated_database_url, tmp_path)
    yield made
    made.built.store.close()


@pytest.fixture
def foshan(tmp_path: Path, sqlite_url: str) -> Iterator[Asking]:
    """Foshan's own platform, whose cards' keys this platform holds."""
    signature = Signature.make("foshan-1")
    edits = {"cities/foshan.toml": city_file(signature, self_issuing=False)}
    platform = install(tmp_path / "data", sqlite_url, edited_config(tmp_path, edits, {}))
    forget_numbers(platform)
    yield Asking(platform, signature)
    platform.built.store.close()
