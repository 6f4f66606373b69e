"""``ota db restored``, as typed, on an installation whose database came from a backup."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ota.cli import main
from tests.platform import MakePlatform, Platform, make_platform, number, platform

__all__ = ["make_platform", "platform"]


@pytest.fixture
def data(platform: Platform, tmp_path: Path) -> Path:
    """A data folder with one paid order."""
    platform.order_topup(number(905).digits)
    platform.built.store.close()
    return tmp_path / "data"


def restored(data: Path, *options: str, answer: str | None = None) -> Result:
    url = f"sqlite:///{data.parent / 'ota.sqlite3'}"
    words = ["db", "restored", *options, "--data", str(data)]
    return CliRunner().invoke(main, words, input=answer, env={"OTA_DATABASE_URL": url})


def states(platform: Platform) -> list[str]:
    return [row.state for row in platform.rows("SELECT state FROM topup_order")]


def test_what_will_be_done_is_shown_before_it_is_done(platform: Platform, data: Path) -> None:
    result = restored(data, answer="n\n")

    assert result.exit_code == 1
    assert "orders held / 待复核充值订单: 1" in result.output
    assert "Done" not in result.output
    assert states(platform) == ["paid"]
    assert platform.rows("SELECT id FROM database_restore") == []


def test_a_yes_puts_everything_in_question(platform: Platform, data: Path) -> None:
    result = restored(data, "--by", "Chen", "--skip-numbers", "1", answer="y\n")

    assert result.exit_code == 0, result.output
    assert "Done / 已完成: rst_" in result.output
    assert states(platform) == ["held"]
    assert [row.actor for row in platform.rows("SELECT actor FROM database_restore")] == ["Chen"]


def test_for_machines_it_is_one_object(data: Path) -> None:
    result = restored(data, "--yes", "--json", "--skip-numbers", "1")

    told = json.loads(result.stdout)
    assert result.exit_code == 0
    assert (told["orders"], told["attempts"], told["refunds"], told["issuances"]) == (1, 0, 0, 0)
    assert set(told["numbers"].values()) == {1}
    assert told["backup_at"] is not None


def test_machines_are_not_asked(data: Path) -> None:
    result = restored(data, "--json")

    assert result.exit_code == 2
    assert "--json needs --yes" in result.output


def test_a_database_in_which_nothing_has_happened_is_told_too(
    make_platform: MakePlatform, tmp_path: Path
) -> None:
    make_platform().built.store.close()

    result = restored(tmp_path / "data", "--yes", "--skip-numbers", "0")

    assert result.exit_code == 0, result.output
    assert "card numbers retired / 停用卡号: 0" in result.output


def test_the_command_explains_itself_in_both_languages() -> None:
    result = CliRunner().invoke(main, ["db", "restored", "--help"])

    assert result.exit_code == 0
    assert "before it serves again" in " ".join(result.output.split())
    assert "数据库从备份恢复后" in result.output
