"""The SQLite file is its owner's alone, however generous the umask."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ota.store.engine import open_engine
from ota.store.phases import Store


@pytest.fixture(autouse=True)
def generous_umask() -> Iterator[None]:
    before = os.umask(0o000)
    yield
    os.umask(before)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ota.sqlite3"


def modes_after_a_write(file: Path) -> dict[str, str]:
    store = Store(open_engine(f"sqlite:///{file}"))
    with store.begin() as tx:
        tx.exec_driver_sql("CREATE TABLE secret (code TEXT)")
    modes = {each.name.removeprefix(file.name): oct(each.stat().st_mode & 0o777) for each in siblings(file)}
    store.close()
    return modes


def siblings(file: Path) -> list[Path]:
    return sorted(file.parent.glob(f"{file.name}*"))


def test_a_new_database_is_its_owners_alone(file: Path) -> None:
    assert modes_after_a_write(file) == {"": "0o600", "-shm": "0o600", "-wal": "0o600"}


def test_a_database_that_others_could_read_is_closed_to_them(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file.touch(0o644)

    modes = modes_after_a_write(file)

    assert set(modes.values()) == {"0o600"}
    assert "ota.sqlite3 could be read by others" in caplog.text


def test_a_database_in_memory_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = Store(open_engine("sqlite:///:memory:"))

    store.ping()

    store.close()
    assert list(tmp_path.iterdir()) == []
