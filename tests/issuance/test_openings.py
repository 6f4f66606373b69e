"""Openings of a security domain count for its chip, under whatever names wallets knock at it."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from click.testing import CliRunner

from ota.cli import main
from ota.core.values import CityCode
from ota.issuance.service import Issuances
from ota.registry import numbers
from ota.sandbox.element.card_os import Element
from tests.elements import blank, collected, described
from tests.phone import Conversation, Reply
from tests.platform import Platform, number, problem

NAMES = 14


def stale(element: Element) -> list[dict[str, str]]:
    """What an app collects that keeps an old sequence counter."""
    said = collected(element)
    said[1]["data"] = "C10300FFF0"
    return said


def open_as(
    platform: Platform,
    name: str,
    element: Element,
    *,
    ahead: list[dict[str, str]] | None = None,
    reply: Reply | None = None,
) -> Conversation:
    """A session for a new order under a name of its own."""
    made = platform.post("/v1/issuances", {"city": "guangzhou", "se_id": name})
    assert made.status_code == 201, made.text
    more: dict[str, Any] = {} if ahead is None else {"precollected": ahead}
    se = described(element, se_id=name)
    return platform.open((made.json or {})["order_id"], element, se=se, reply=reply, **more)


@pytest.fixture
def stock(any_platform: Platform) -> Platform:
    """Card numbers for many orders."""
    with any_platform.built.store.begin() as tx:
        numbers.add(
            tx, CityCode("5810"), [number(serial) for serial in range(100, 200)], any_platform.clock.now()
        )
    return any_platform


def test_predictions_under_many_names_cost_a_chip_one_try(stock: Platform) -> None:
    element, refused = blank("03", 0x70), []

    def reply(command: bytes) -> bytes:
        answer = element.transmit(command)
        if command[:2] == b"\x84\x82" and answer != b"\x90\x00":
            refused.append(answer)
        return answer

    for serial in range(NAMES):  # each app dies before it reports
        open_as(stock, f"install-{serial}", element, ahead=stale(element), reply=reply).run()
    ending = open_as(stock, "the-last-one", element).finish()

    assert len(refused) == 1
    assert ending["outcome"]["state"] == "active"
    assert stock.rows("SELECT failed, pending FROM chip_opening") == [(0, 0)]


def test_a_chip_that_refuses_under_two_names_is_left_alone_under_a_third(stock: Platform) -> None:
    element = blank()
    element.faults.answer(0x82, 0x6300, times=2)
    for name in ("one", "two"):
        open_as(stock, name, element).finish()

    blocked = open_as(stock, "three", element).step()

    assert problem(blocked) == (422, "channel_blocked")
    (chip,) = stock.rows("SELECT chip FROM chip_opening")
    assert (blocked.json or {})["details"] == {"chip": chip.chip}


def test_two_predictions_for_a_chip_do_not_leave_at_once(platform: Platform) -> None:
    """Both were looked at before the other one was counted."""
    element = blank("03", 0x70)
    open_as(platform, "one", element, ahead=collected(element))
    order_id = (platform.post("/v1/issuances", {"city": "guangzhou", "se_id": "two"}).json or {})["order_id"]

    with patch.object(Issuances, "may_predict", return_value=True):
        refused = platform.try_open(
            order_id, se=described(element, se_id="two"), precollected=collected(element)
        )

    assert problem(refused) == (409, "busy")
    assert platform.rows("SELECT failed, pending FROM chip_opening") == [(0, 1)]


def test_another_chip_is_not_counted_along(platform: Platform) -> None:
    bad, good = blank(seed="bad"), blank("03", 0x70, seed="good")
    bad.faults.answer(0x82, 0x6300)
    open_as(platform, "bad", bad).finish()

    talk = open_as(platform, "good", good, ahead=collected(good))

    assert len(talk.notes) > 2
    assert talk.finish()["outcome"]["state"] == "active"


@pytest.mark.parametrize(("name", "more"), [("one", ()), ("three", ("--chip", "CHIP"))])
def test_an_operator_who_has_looked_unblocks_the_chip(
    platform: Platform, tmp_path: Path, name: str, more: tuple[str, ...]
) -> None:
    element = blank()
    element.faults.answer(0x82, 0x6300, times=2)
    for known in ("one", "two"):
        open_as(platform, known, element).finish()
    talk = open_as(platform, "three", element)
    chip = (talk.step().json or {})["details"]["chip"]
    words = [
        "elements",
        "unblock",
        "wallet",
        name,
        *(chip.upper() if word == "CHIP" else word for word in more),
    ]
    words += [
        "--by",
        "li.na",
        "--reason",
        "the maker has set the right keys",
        "--data",
        str(tmp_path / "data"),
    ]

    result = CliRunner().invoke(
        main, words, env={"OTA_DATABASE_URL": f"sqlite:///{tmp_path / 'ota.sqlite3'}"}
    )
    ending = talk.finish()

    assert result.exit_code == 0, result.output
    assert ending["outcome"]["state"] == "active"
    assert chip in platform.rows("SELECT data FROM audit WHERE stream = 'elements'")[0].data
