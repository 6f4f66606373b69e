"""``ota ledger`` and ``ota audit``, as typed, on an installation in which something has happened."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ota.cli import main
from ota.service_desk import restoration
from tests.platform import MakePlatform, Platform, any_platform, make_platform, number, platform, sqlite_url

__all__ = ["any_platform", "make_platform", "platform", "sqlite_url"]

CARD = number(904).digits


@pytest.fixture
def data(platform: Platform, tmp_path: Path) -> Path:
    """A data folder with a paid order, one on its way back, and an audit trail with an anchor."""
    platform.order_topup(CARD, 5000)
    order_id = platform.order_topup(CARD, 300)["order_id"]
    platform.post(f"/v1/topups/{order_id}/refund")
    platform.built.runner.sweep()
    platform.built.store.close()
    return tmp_path / "data"


def ota(*arguments: object, data: Path) -> Result:
    url = f"sqlite:///{data.parent / 'ota.sqlite3'}"
    words = [str(argument) for argument in (*arguments, "--data", data)]
    return CliRunner().invoke(main, words, env={"OTA_DATABASE_URL": url, "COLUMNS": "200"})


def change(platform: Platform, table: str, statement: str) -> None:
    """Change an append-only table as an administrator could."""
    for verb in ("update", "delete"):
        platform.change(f"DROP TRIGGER {table}_no_{verb}")
    platform.change(statement)
    platform.built.store.close()


@pytest.mark.parametrize(
    "command",
    [
        ["ledger"],
        ["ledger", "check"],
        ["ledger", "suspense"],
        ["audit"],
        ["audit", "verify"],
        ["audit", "anchor"],
    ],
)
def test_every_command_explains_itself(command: Sequence[str], tmp_path: Path) -> None:
    result = CliRunner().invoke(main, [*command, "--help"])

    assert result.exit_code == 0
    assert result.output.startswith("Usage:")
    assert len(result.output.splitlines()) > 5
    assert list(tmp_path.iterdir()) == []


def test_books_that_agree_are_told_in_sums(data: Path) -> None:
    result = ota("ledger", "check", data=data)

    assert result.exit_code == 0, result.output
    assert "captured" in result.output
    assert "5300" in result.output
    assert "differences: 0" in result.output


def test_books_that_agree_are_one_object_for_machines(data: Path) -> None:
    result = ota("ledger", "check", "--json", data=data)

    report = json.loads(result.output)
    assert result.exit_code == 0
    assert (report["captured_fen"], report["suspense_fen"], report["refund_payable_fen"]) == (5300, 5000, 300)
    assert report["differences"] == []


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_books_that_differ_end_with_code_1_and_a_list(
    platform: Platform, data: Path, options: Sequence[str]
) -> None:
    change(platform, "posting", "UPDATE posting SET amount_fen = amount_fen * 2 WHERE ABS(amount_fen) = 5000")

    result = ota("ledger", "check", *options, data=data)

    assert result.exit_code == 1
    assert "journal_differs" in result.output
    assert "balance" in result.output


def test_a_long_list_is_cut_for_people(platform: Platform, data: Path) -> None:
    for _ in range(51):
        platform.order_topup(CARD, 100)
    change(platform, "posting", "UPDATE posting SET amount_fen = amount_fen * 2 WHERE ABS(amount_fen) = 100")

    result = ota("ledger", "check", data=data)

    assert "… and 4 more; --json lists them all" in result.output


def test_suspense_is_listed_with_age_reason_and_owner(data: Path) -> None:
    result = ota("ledger", "suspense", data=data)

    assert result.exit_code == 0, result.output
    for word in ("waits_for_its_card", "refund_requested", "service_desk", "5810", "items: 2, fen: 5300"):
        assert word in result.output


def test_suspense_is_one_object_for_machines(data: Path) -> None:
    result = ota("ledger", "suspense", "--json", data=data)

    told = json.loads(result.output)
    assert told["total_fen"] == 5300
    assert {item["reason"] for item in told["items"]} == {"waits_for_its_card", "refund_requested"}
    assert {type(item["age_s"]) for item in told["items"]} == {int}


def test_only_what_is_old_may_be_asked_for(data: Path) -> None:
    result = ota("ledger", "suspense", "--older-than-h", 10**6, "--json", data=data)

    assert json.loads(result.output) == {"total_fen": 0, "items": []}


def test_a_trail_that_was_left_alone_is_verified(data: Path) -> None:
    result = ota("audit", "verify", data=data)

    assert result.exit_code == 0, result.output
    assert "entries: 1, anchors: 2, findings: 0" in result.output


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_trail_that_was_changed_ends_with_code_1_and_a_list(
    platform: Platform, data: Path, options: Sequence[str]
) -> None:
    change(platform, "audit", "UPDATE audit SET actor = 'nobody'")

    result = ota("audit", "verify", *options, data=data)

    assert result.exit_code == 1
    assert "edited" in result.output


def test_a_trail_that_was_cut_with_its_head_is_found_by_a_copy_of_the_anchors(
    platform: Platform, data: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes((data / "audit-anchors.jsonl").read_bytes())
    (data / "audit-anchors.jsonl").unlink()
    platform.change("DELETE FROM audit_head")
    change(platform, "audit", "DELETE FROM audit")

    alone, with_copy = (
        ota("audit", "verify", *options, data=data) for options in ([], ["--anchors", copy, "--json"])
    )

    assert alone.exit_code == 0
    assert with_copy.exit_code == 1
    assert {found["what"] for found in json.loads(with_copy.output)["findings"]} == {"cut", "head"}


@pytest.mark.parametrize("named", [False, True])
def test_a_restore_that_takes_anchors_back_must_be_known_to_whoever_verifies(
    platform: Platform, data: Path, tmp_path: Path, *, named: bool
) -> None:
    """An anchor of a moment between the backup and the restore, of an entry that the backup did not hold."""
    restored = platform.clock.now() + timedelta(minutes=1)
    with platform.built.store.begin() as tx:
        rst = restoration.restore(tx, "operator", 0, restored).restore_id
    platform.built.store.close()
    line = {"at": restored.isoformat(), "stream": "decisions", "position": 1, "digest": "00" * 32}
    copy = tmp_path / "copy.jsonl"
    copy.write_text(json.dumps(line) + "\n", encoding="utf-8")
    known = ["--restore", rst] if named else []

    shown = ota("audit", "verify", "--anchors", copy, *known, data=data)
    told = json.loads(ota("audit", "verify", "--anchors", copy, *known, "--json", data=data).output)

    assert shown.exit_code == (0 if named else 1), shown.output
    assert f"restore {rst}" in shown.output
    assert [(each["anchors"], each["known"]) for each in told["restores"]] == [(1, named)]
    assert len(told["findings"]) == (0 if named else 1)


def test_what_has_moved_is_anchored(platform: Platform, data: Path) -> None:
    order_id = platform.order_topup(CARD)["order_id"]
    platform.post(f"/v1/topups/{order_id}/refund")
    platform.built.store.close()

    first, again = (ota("audit", "anchor", data=data) for _ in range(2))

    assert first.output == "anchors written: 2\n"  # the trail's end, and the newest step
    assert again.output == "anchors written: 0\n"
    assert len((data / "audit-anchors.jsonl").read_text().splitlines()) == 4


def test_anchors_go_where_the_settings_say(make_platform: MakePlatform, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere" / "anchors.jsonl"
    edits = {"base.toml": [('anchor_file = ""', f'anchor_file = "{elsewhere}"')]}
    platform = make_platform(edits)
    order_id = platform.order_topup(CARD)["order_id"]
    platform.post(f"/v1/topups/{order_id}/refund")

    platform.built.runner.sweep()

    assert len(elsewhere.read_text().splitlines()) == 2
