from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from ota.sandbox.cli import main
from ota.sandbox.simulation.campaign import Campaign, simulate
from ota.sandbox.simulation.mutants import MUTANTS

FIGURES = {"seeds", "orders", "faults", "lost_fen", "doubled_fen", "not_converged", "trace_hash"}


def _simulate(*options: str) -> Result:
    return CliRunner().invoke(main, ["simulate", "--jobs", "1", *options])


def _last_line(result: Result) -> dict[str, Any]:
    figures: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return figures


def test_the_last_line_is_one_object_and_the_same_again() -> None:
    first, again = (_simulate("--seeds", "2", "--orders", "3", "--seed", "5", "--json") for _ in range(2))

    figures = _last_line(first)
    assert first.exit_code == 0
    assert figures.keys() == FIGURES
    assert (figures["seeds"], figures["orders"]) == (2, 6)
    assert (figures["lost_fen"], figures["doubled_fen"], figures["not_converged"]) == (0, 0, 0)
    assert _last_line(again) == figures


@pytest.mark.parametrize("hash_seed", ["1", "77"])
def test_another_process_finds_the_same(hash_seed: str) -> None:
    campaign = Campaign(seeds=1, orders=4, first=8)
    command = [sys.executable, "-c", "from ota.sandbox.cli import main; main()", "simulate", "--json"]
    options = ["--seeds", "1", "--orders", "4", "--seed", "8"]

    alone = subprocess.run(
        [*command, *options],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        check=True,
        capture_output=True,
        text=True,
    )

    assert json.loads(alone.stdout.splitlines()[-1]) == simulate(campaign).to_json()


def test_several_processes_find_the_same() -> None:
    campaign = Campaign(seeds=3, orders=2)

    together, alone = simulate(campaign, jobs=2), simulate(campaign, jobs=1)

    assert together.to_json() == alone.to_json()


def test_a_failure_is_told_with_its_seed_and_the_shortest_trace() -> None:
    result = _simulate("--seeds", "3", "--orders", "2", "--mutant", "mac2-before-commit", "--json")

    found = re.search(r"seed (\d): no MAC2 before its attempt is durable", result.stdout)
    assert result.exit_code == 1
    assert found is not None, result.stdout
    assert "the shortest trace found" in result.stdout
    assert "/v1/" in result.stdout
    assert _last_line(result)["seeds"] == int(found[1]) + 1  # it stops there


def test_a_mutant_that_is_not_found_is_said_so() -> None:
    result = _simulate("--seeds", "1", "--orders", "1", "--seed", "3", "--mutant", "replay-store-off")

    assert result.exit_code == 0
    assert "was not found" in result.stdout


def test_the_mutants_are_named() -> None:
    for_people, for_machines = _simulate("--list-mutants"), _simulate("--list-mutants", "--json")

    assert all(name in for_people.stdout for name in MUTANTS)
    assert [each["name"] for each in json.loads(for_machines.stdout)] == list(MUTANTS)


def test_an_unknown_mutant_is_refused() -> None:
    result = _simulate("--mutant", "no-such-rule")

    assert result.exit_code == 2
    assert "expected one of" in result.output


def test_a_missing_configuration_is_said_plainly(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OTA_CONFIG", str(tmp_path))

    result = _simulate("--seeds", "1")

    assert result.exit_code == 1
    assert "base.toml" in result.output


def test_a_database_that_is_not_there_is_said_plainly() -> None:
    result = _simulate("--seeds", "1", "--database", "postgresql+psycopg://nobody@127.0.0.1:9/nothing")

    assert result.exit_code == 1
    assert "Traceback" not in result.output
    assert "Error: (psycopg.OperationalError) connection failed" in result.output


def test_a_sqlite_file_serves_as_well(tmp_path: Path) -> None:
    file = tmp_path / "simulation.sqlite3"

    on_file = simulate(Campaign(seeds=1, orders=3, database_url=f"sqlite:///{file}"))
    in_memory = simulate(Campaign(seeds=1, orders=3))

    assert file.exists()
    assert on_file.to_json() == in_memory.to_json()


def test_postgresql_serves_as_well_and_is_left_as_it_was(postgres_url: str) -> None:
    total = simulate(Campaign(seeds=2, orders=4, database_url=postgres_url))

    assert total.failed == []
    assert total.to_json()["lost_fen"] == 0
    assert _databases_beside(postgres_url) == []


def _databases_beside(url: str) -> list[str]:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    beside = f"{sa.make_url(url).database}_simulation%"
    with engine.connect() as tx:
        query = sa.text("SELECT datname FROM pg_database WHERE datname LIKE :beside")
        return list(tx.execute(query, {"beside": beside}).scalars())
