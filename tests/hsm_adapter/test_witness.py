"""An older key store, put back alone or with its whole folder, is refused by what is remembered outside of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ota.card.keys import KeyRole
from ota.core.clock import SystemClock
from ota.hsm_adapter.errors import KeyStoreDamaged
from ota.hsm_adapter.keys import KeyState
from ota.hsm_adapter.software import KeyStore, SoftwareHsm
from ota.hsm_adapter.software.administration import AdministrationRefused
from ota.hsm_adapter.software.store import STORE_FILE
from ota.hsm_adapter.software.witness import Remembered
from ota.store.key_witness import DatabaseWitness
from tests.hsm_adapter.keyring import key_ref
from tests.platform import opened_store, sqlite_url

__all__ = ["sqlite_url"]

SECRET = bytes.fromhex("8A3C5D1F90B7E2466BD10E94F7A2C358")
LOAD, TAC = key_ref(KeyRole.LOAD), key_ref(KeyRole.TAC)
PASSPHRASE = "seven horses graze at dusk"


@pytest.fixture
def any_witness(migrated_database_url: str) -> Iterator[DatabaseWitness]:
    """Once on SQLite and once on PostgreSQL."""
    with opened_store(migrated_database_url) as store:
        yield DatabaseWitness(store, SystemClock())


@pytest.fixture
def witness(sqlite_url: str) -> Iterator[DatabaseWitness]:
    with opened_store(sqlite_url) as store:
        yield DatabaseWitness(store, SystemClock())


class Installation:
    """A data folder with a key, its database, and yesterday's backup of the folder."""

    def __init__(self, folder: Path, witness: DatabaseWitness) -> None:
        self.folder, self.backup = folder / "data", folder / "backup"
        self.witness = witness

    def store(self, *, older_taken: bool = False) -> KeyStore:
        return KeyStore(self.folder, environment="sandbox", witness=self.witness, older_taken=older_taken)

    def back_up(self) -> None:
        shutil.copytree(self.folder, self.backup)

    def put_back(self) -> None:
        shutil.rmtree(self.folder)
        shutil.copytree(self.backup, self.folder)


@pytest.fixture
def installation(tmp_path: Path, witness: DatabaseWitness) -> Installation:
    """One whose key was retired after the backup."""
    found = Installation(tmp_path, witness)
    store = found.store()
    store.appoint(PASSPHRASE)
    store.add({LOAD: SECRET}, test=False)
    found.back_up()
    store.change_state(LOAD, KeyState.RETIRED)
    return found


def test_a_whole_folder_put_back_is_refused(installation: Installation) -> None:
    installation.put_back()

    with pytest.raises(KeyStoreDamaged, match="rolled back to generation 2, 3 is the last known"):
        installation.store()


def test_a_server_at_work_notices_a_folder_put_back(installation: Installation) -> None:
    server = SoftwareHsm.open(installation.folder, environment="sandbox", witness=installation.witness)
    before = server.health()
    installation.put_back()

    after = server.health()

    assert (before.ok, after.ok) == (True, False)
    assert "rolled back" in after.detail
    assert server._source.entry(LOAD).state is KeyState.RETIRED


def test_an_emptied_folder_is_refused(installation: Installation) -> None:
    shutil.rmtree(installation.folder)

    with pytest.raises(KeyStoreDamaged, match="missing"):
        installation.store()


def test_another_store_of_a_later_generation_is_refused(installation: Installation) -> None:
    shutil.rmtree(installation.folder)
    other = KeyStore(installation.folder, environment="sandbox")
    for version in range(9):
        other.add({key_ref(KeyRole.TAC, version=version): SECRET}, test=False)

    with pytest.raises(KeyStoreDamaged, match="administrator"):
        installation.store()


def test_a_newer_folder_beside_an_older_database_is_taken(
    installation: Installation, witness: DatabaseWitness
) -> None:
    with witness._store.begin() as tx:
        tx.exec_driver_sql("UPDATE key_store SET generation = 1")

    store = installation.store()

    assert store.generation == 3
    assert store.administrator is not None
    assert witness.remembered() == Remembered(3, store.administrator.public)


def test_a_store_that_no_database_knew_is_remembered_from_now_on(
    tmp_path: Path, any_witness: DatabaseWitness
) -> None:
    found = Installation(tmp_path, any_witness)
    KeyStore(found.folder, environment="sandbox").add({LOAD: SECRET}, test=False)

    found.store()

    assert any_witness.remembered() == Remembered(1)


def test_a_database_without_tables_knows_nothing(tmp_path: Path, database_url: str) -> None:
    with opened_store(database_url) as database:
        found = Installation(tmp_path, DatabaseWitness(database, SystemClock()))

        found.store().add({LOAD: SECRET}, test=False)

        assert found.witness.remembered() is None
        assert found.store().generation == 1


def test_an_empty_store_is_not_remembered(tmp_path: Path, witness: DatabaseWitness) -> None:
    Installation(tmp_path, witness).store()

    assert witness.remembered() is None


def test_a_smaller_generation_is_never_remembered(any_witness: DatabaseWitness) -> None:
    for generation in (2, 5, 3):
        any_witness.remember(Remembered(generation, bytes([generation]) * 32))

    assert any_witness.remembered() == Remembered(5, bytes([5]) * 32)


def test_the_administrator_reinstates_what_is_left(installation: Installation) -> None:
    installation.put_back()
    store = installation.store(older_taken=True)
    store.unlock(PASSPHRASE)

    store.reinstate()

    assert installation.store().generation == 4
    assert installation.store().entry(LOAD).state is KeyState.ACTIVE


def test_nobody_but_the_administrator_reinstates(installation: Installation) -> None:
    installation.put_back()
    store = installation.store(older_taken=True)

    with pytest.raises(AdministrationRefused):
        store.reinstate()

    with pytest.raises(KeyStoreDamaged):
        installation.store()


def test_looking_at_an_older_store_makes_it_no_newer(
    installation: Installation, witness: DatabaseWitness
) -> None:
    installation.put_back()
    known = witness.remembered()

    installation.store(older_taken=True).refresh()

    assert witness.remembered() == known


def test_the_file_alone_put_back_is_refused_without_a_database(installation: Installation) -> None:
    old = (installation.backup / STORE_FILE).read_bytes()
    (installation.folder / STORE_FILE).write_bytes(old)

    with pytest.raises(KeyStoreDamaged, match="rolled back"):
        KeyStore(installation.folder, environment="sandbox")
