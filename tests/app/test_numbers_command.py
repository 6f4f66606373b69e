"""The inventory of card numbers, as an operator fills and counts it."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ota.cli import main
from ota.settings import load


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with an empty, migrated database."""
    assert ota("db", "upgrade", "--data", tmp_path).exit_code == 0
    return tmp_path


def ota(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def free_of(city: str, data: Path) -> int:
    rows = json.loads(ota("numbers", "status", "--json", "--data", data).output)
    return int(next(row["free"] for row in rows if row["name"] == city))


def test_a_range_of_a_city_is_imported_once(data: Path) -> None:
    arguments = (
        "numbers",
        "import",
        "--city",
        "佛山",
        "--from",
        7,
        "--count",
        6_000,
        "--json",
        "--data",
        data,
    )

    first, again = ota(*arguments), ota(*arguments)

    assert json.loads(first.stdout) == {"given": 6_000, "added": 6_000, "known": 0}
    assert json.loads(again.stdout) == {"given": 6_000, "added": 0, "known": 6_000}
    assert free_of("foshan", data) == 6_000


def test_the_numbers_of_a_file_go_to_their_cities(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "block.txt"
    file.write_text("# a comment\n3104870312345678906\n\n3104870712345678906\n")

    result = ota("numbers", "import", file, "--data", data)

    assert result.stdout == "2 numbers added, 0 were known already\n"
    assert (free_of("guangzhou", data), free_of("foshan", data)) == (1, 1)


@pytest.mark.parametrize("line", ["12345", "6222020000000000000", "31048703123456789 6", "\u4e00" * 19])
def test_a_line_that_is_no_number_of_the_province_is_named_and_not_repeated(
    line: str, data: Path, tmp_path: Path
) -> None:
    file = tmp_path / "block.txt"
    file.write_text(f"3104870312345678906\n{line}\n", encoding="utf-8")

    result = ota("numbers", "import", file, "--data", data)

    assert result.exit_code == 1
    assert "block.txt, line 2" in result.output
    assert line not in result.output


@pytest.mark.parametrize(
    "arguments", [[], ["--city", "foshan"], ["--from", "1"], ["--city", "nowhere", "--from", "1"]]
)
def test_an_import_that_says_too_little_is_refused(arguments: list[str], data: Path) -> None:
    result = ota("numbers", "import", *arguments, "--data", data)

    assert result.exit_code in {1, 2}
    assert "Error" in result.output


def test_the_table_of_the_inventory_shows_every_city(data: Path) -> None:
    result = ota("numbers", "status", "--data", data)

    assert result.output.count("│") >= 21 * 7
    assert "guangzhou" in result.output


def test_a_serial_beyond_the_range_is_refused_and_nothing_is_left_half_done(data: Path) -> None:
    result = ota(
        "numbers", "import", "--city", "foshan", "--from", 9_999_999_999, "--count", 2, "--data", data
    )

    assert result.exit_code == 1
    assert free_of("foshan", data) == 0


def test_production_takes_no_number_of_the_block_that_sandboxes_start_with(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(load(environ={}, overrides={"data": str(data)}), environment="production")
    monkeypatch.setattr(sys.modules["ota.cli.numbers"], "load_settings", lambda **_: settings)

    above = ota("numbers", "import", "--city", "foshan", "--from", 9_000_000_200, "--count", 2)
    across = ota("numbers", "import", "--city", "foshan", "--from", 8_999_999_999, "--count", 2)

    assert (above.exit_code, across.exit_code) == (0, 1)
    assert "none of the block that sandboxes start with" in across.output
    assert free_of("foshan", data) == 2
