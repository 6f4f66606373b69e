"""``ota jobs``, as typed, on an installation that has given up on two jobs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ota.cli import main
from ota.store import outbox
from ota.store.outbox import Patience
from ota.topup.jobs import SEND_REFUND
from tests.platform import Platform, make_platform, platform, sqlite_url

__all__ = ["make_platform", "platform", "sqlite_url"]

ONE_TRY = Patience(max_attempts=1)


@pytest.fixture
def data(platform: Platform, tmp_path: Path) -> Path:
    """A data folder with two dead jobs and one that waits."""
    now = platform.clock.now()
    with platform.built.store.begin() as tx:
        for refund in ("ref_1", "ref_2"):
            outbox.stage(tx, SEND_REFUND, refund, due_at=now)
        for job in outbox.claim_due(tx, now, ONE_TRY):
            outbox.fail(tx, job, now, ONE_TRY, error="ConnectionRefusedError")
        outbox.stage(tx, SEND_REFUND, "ref_3", due_at=now)
    platform.built.store.close()
    return tmp_path / "data"


def ota(*arguments: str, data: Path) -> Result:
    url = f"sqlite:///{data.parent / 'ota.sqlite3'}"
    words = ["jobs", *arguments, "--data", str(data)]
    return CliRunner().invoke(main, words, env={"OTA_DATABASE_URL": url, "COLUMNS": "200"})


def dead(data: Path) -> list[dict[str, object]]:
    listed: list[dict[str, object]] = json.loads(ota("list", "--dead", "--json", data=data).output)["jobs"]
    return listed


@pytest.mark.parametrize("command", [["jobs"], ["jobs", "list"], ["jobs", "revive"]])
def test_every_command_explains_itself(command: Sequence[str]) -> None:
    result = CliRunner().invoke(main, [*command, "--help"])

    assert result.exit_code == 0
    assert len(result.output.splitlines()) > 10


def test_what_was_given_up_is_listed_with_its_last_error(data: Path) -> None:
    shown = ota("list", data=data)

    assert shown.exit_code == 0, shown.output
    assert "ConnectionRefusedError" in shown.output
    assert "waiting: 1, dead: 2, shown: 3" in shown.output
    assert [(each["subject_id"], each["state"]) for each in dead(data)] == [
        ("ref_1", "dead"),
        ("ref_2", "dead"),
    ]


def test_for_machines_the_sums_do_not_depend_on_what_is_shown(data: Path) -> None:
    told = json.loads(ota("list", "--dead", "--limit", "1", "--json", data=data).output)

    assert (told["waiting"], told["dead"], len(told["jobs"])) == (1, 2, 1)


def test_one_is_revived_by_its_id(platform: Platform, data: Path) -> None:
    first, second = dead(data)

    result = ota("revive", str(first["id"]), "--by", "Lin", "--reason", "host is back", data=data)

    assert (result.exit_code, result.output) == (0, "revived: 1\n")
    assert [each["id"] for each in dead(data)] == [second["id"]]
    assert platform.rows("SELECT stream, actor, action FROM audit") == [("jobs", "Lin", "revived")]


def test_all_are_revived_and_told_as_one_object(data: Path) -> None:
    ids = [each["id"] for each in dead(data)]

    result = ota("revive", "--all", "--reason", "host is back", "--json", data=data)

    assert json.loads(result.output) == {"revived": ids}
    assert dead(data) == []


@pytest.mark.parametrize("words", [[], ["1", "--all"]])
def test_either_ids_or_all_are_expected(data: Path, words: Sequence[str]) -> None:
    result = ota("revive", *words, "--reason", "x", data=data)

    assert result.exit_code == 2
    assert "--all" in result.output
    assert len(dead(data)) == 2


def test_an_id_that_is_not_dead_is_named_and_nothing_is_done(data: Path) -> None:
    first, _ = dead(data)

    result = ota("revive", str(first["id"]), "4711", "--reason", "x", data=data)

    assert result.exit_code == 1
    assert "No dead job has the id 4711" in result.output
    assert len(dead(data)) == 2
