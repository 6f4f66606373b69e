"""Who only looks changes nothing, and is told what is not there by its name, as typed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ota.cli import main
from ota.store.engine import open_engine
from ota.store.migrations import upgrade
from tests.databases import migrate

LOOKS = (
    ("ledger", "check"),
    ("ledger", "suspense"),
    ("audit", "verify"),
    ("audit", "anchor"),
    ("numbers", "status"),
    ("webhooks", "status"),
    ("jobs", "list"),
    ("jobs", "revive", "1", "--reason", "mended"),
    ("webhooks", "retry", "nobody"),
    ("callers", "disable", "nobody"),
    ("elements", "unblock", "x", "y", "--by", "li.na", "--reason", "looked"),
    ("db", "restored", "--yes"),
)


def ota(*words: str, data: Path) -> Result:
    return CliRunner().invoke(main, [*words, "--data", str(data)])


@pytest.mark.parametrize("command", LOOKS, ids=" ".join)
def test_a_database_that_is_not_there_is_named_and_not_made(command: Sequence[str], tmp_path: Path) -> None:
    result = ota(*command, data=tmp_path / "typo")

    assert result.exit_code == 1
    assert f"no database at {tmp_path / 'typo' / 'ota.sqlite3'}: run `ota serve` or" in result.output
    assert "--data" in result.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", LOOKS, ids=" ".join)
def test_a_database_without_tables_is_told_and_stays_so(command: Sequence[str], tmp_path: Path) -> None:
    (tmp_path / "ota.sqlite3").touch(0o600)

    result = ota(*command, data=tmp_path)

    assert result.exit_code == 1
    assert f"no tables in {tmp_path / 'ota.sqlite3'}: run `ota serve` or `ota db upgrade`" in result.output
    assert ota("db", "status", data=tmp_path).output.startswith("database: empty, ")


def test_a_database_of_an_older_version_is_told(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'ota.sqlite3'}")
    upgrade(engine, "0001")
    engine.dispose()

    result = ota("ledger", "check", data=tmp_path)

    assert result.exit_code == 1
    assert "the database is at version 0001, expected 00" in result.output
    assert "run `ota db upgrade`" in result.output


@pytest.mark.parametrize("command", [("db", "status"), ("keys", "list"), ("keys", "list", "--json")])
def test_an_empty_folder_stays_empty(command: Sequence[str], tmp_path: Path) -> None:
    result = ota(*command, data=tmp_path / "new")

    assert result.exit_code == (1 if command[0] == "db" else 0), result.output
    assert list(tmp_path.iterdir()) == []


def test_keys_are_listed_without_making_a_database_for_them(tmp_path: Path) -> None:
    ota("keys", "provision-test", data=tmp_path)
    (tmp_path / "ota.sqlite3").unlink()

    result = ota("keys", "list", data=tmp_path)

    assert result.exit_code == 1
    assert "no database at" in result.output
    assert not (tmp_path / "ota.sqlite3").exists()


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (("webhooks", "retry", "nobody"), "there is no wallet nobody"),
        (("callers", "disable", "nobody"), "there is no caller nobody"),
        (("callers", "unlock", "nobody"), "nobody: no wrong one-time password"),
        (
            ("elements", "unblock", "x", "y", "--by", "li.na", "--reason", "looked"),
            "no element y of the wallet x is blocked",
        ),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, tuple) else "",
)
def test_what_nobody_knows_is_named(command: Sequence[str], expected: str, tmp_path: Path) -> None:
    migrate(f"sqlite:///{tmp_path / 'ota.sqlite3'}")

    result = ota(*command, data=tmp_path)

    assert result.exit_code == 1
    assert expected in result.output


def test_what_is_no_transcript_is_called_so(tmp_path: Path) -> None:
    ota("keys", "provision-test", data=tmp_path / "data")
    file = tmp_path / "README.md"
    file.write_text("# A file\n")

    result = ota("keys", "transcript", str(file), data=tmp_path / "data")

    assert result.exit_code == 1
    assert f"{file}: no transcript of a key ceremony that this platform signed" in result.output


def test_a_transcript_is_not_held_against_a_key_that_looking_made(tmp_path: Path) -> None:
    file = tmp_path / "some.jws"
    file.write_text("a.b.c")

    result = ota("keys", "transcript", str(file), data=tmp_path / "typo")

    assert result.exit_code == 1
    assert f"no signing key in {tmp_path / 'typo'}" in result.output
    assert not (tmp_path / "typo").exists()
