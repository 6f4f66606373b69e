"""``ota elements``, as typed, on an installation whose platform was refused by a secure element."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ota.cli import main
from ota.sandbox.element.card_os import Element
from tests.elements import blank
from tests.platform import Platform, make_platform, platform, problem, sqlite_url

__all__ = ["make_platform", "platform", "sqlite_url"]

LOOKED = ("--by", "li.na", "--reason", "the maker has set the right keys")


def unblock(se_id: str, *more: str, data: Path) -> Result:
    url = f"sqlite:///{data / 'ota.sqlite3'}"
    words = ["elements", "unblock", "wallet", se_id, *more, "--data", str(data / "data")]
    return CliRunner().invoke(main, words, env={"OTA_DATABASE_URL": url})


def blocked(platform: Platform) -> tuple[str, Element]:
    element = blank()
    element.faults.answer(0x82, 0x6300, times=2)
    order_id = str(platform.order_card(element)["order_id"])
    for _ in range(2):
        platform.open(order_id, element).finish()
    assert problem(platform.try_open(order_id, element)) == (422, "channel_blocked")
    return order_id, element


def test_an_element_that_somebody_looked_at_is_tried_again(platform: Platform, tmp_path: Path) -> None:
    order_id, element = blocked(platform)

    result = unblock(element.se_id, *LOOKED, data=tmp_path)
    ending = platform.open(order_id, element).finish()

    told = platform.rows("SELECT actor, action, subject_id FROM audit WHERE stream = 'elements'")
    assert (result.exit_code, result.output) == (0, f"unblocked: {element.se_id}\n")
    assert ending["state"] == "done"
    assert [tuple(row) for row in told] == [("li.na", "unblocked", "wallet")]


def test_an_opening_under_way_while_its_element_is_unblocked_is_counted_when_it_fails(
    platform: Platform, tmp_path: Path
) -> None:
    element = blank()
    element.faults.answer(0x82, 0x6300)
    talk = platform.open(str(platform.order_card(element)["order_id"]), element)
    talk.step()

    unblock(element.se_id, *LOOKED, data=tmp_path)
    talk.finish()

    assert platform.rows("SELECT failed, pending FROM channel_opening") == [(1, 0)]


def test_an_element_that_nothing_is_known_against_is_not_found(platform: Platform, tmp_path: Path) -> None:
    result = unblock("se-unknown", *LOOKED, data=tmp_path)

    assert result.exit_code == 1
    assert platform.rows("SELECT * FROM audit WHERE stream = 'elements'") == []


@pytest.mark.parametrize("looked", [("--by", "", "--reason", "x"), ("--by", "me", "--reason", "two\nlines")])
def test_what_the_audit_trail_cannot_keep_is_refused(
    platform: Platform, tmp_path: Path, looked: tuple[str, ...]
) -> None:
    order_id, element = blocked(platform)

    result = unblock(element.se_id, *looked, data=tmp_path)

    assert result.exit_code != 0
    assert problem(platform.try_open(order_id, element)) == (422, "channel_blocked")
