"""A terminal's day: its own list against the platform's."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.parties import FOSHAN_TERMINAL
from tests.platform import Platform, problem
from tests.terminal.reader import Body
from tests.terminal.test_loads import reader_with_card

DAY = "20261123"


def close(
    platform: Platform, *loads: tuple[str, int], terminal: str = FOSHAN_TERMINAL.digits, **changes: Any
) -> Any:
    body: Body = {
        "day": DAY,
        "count": len(loads),
        "sum_fen": sum(amount for _, amount in loads),
        "loads": [{"load_id": load_id, "amount_fen": amount} for load_id, amount in loads],
    } | changes
    return platform.post(f"/v1/terminals/{terminal}/batches", body, by="terminal")


@pytest.fixture
def day(any_platform: Platform) -> tuple[Platform, str, str]:
    """Two loads at Foshan's terminal, and one that was authorised and never proven."""
    reader, _ = reader_with_card(any_platform)
    first, second = reader.load(1000)["load_id"], reader.load(2000)["load_id"]
    reader.order(4000)
    return any_platform, first, second


def test_a_day_that_agrees_is_closed(day: tuple[Platform, str, str]) -> None:
    platform, first, second = day

    answer = close(platform, (first, 1000), (second, 2000))

    assert answer.json == {"day": DAY, "count": 2, "total_fen": 3000, "differences": []}


def test_every_difference_is_named(day: tuple[Platform, str, str]) -> None:
    platform, first, second = day

    answer = close(platform, (first, 1001), ("top_unknown", 500))

    assert answer.json["differences"] == [
        {"load_id": "top_unknown", "why": "unknown_here"},
        {"load_id": second, "why": "missing_there"},
        {"load_id": first, "why": "amount_differs"},
    ]
    assert (answer.json["count"], answer.json["total_fen"]) == (2, 3000)


def test_another_day_and_another_terminal_have_their_own_lists(day: tuple[Platform, str, str]) -> None:
    platform, _, _ = day

    yesterday = close(platform, day="20261122")
    kiosk = platform.post(
        "/v1/terminals/602000000001/batches", {"day": DAY, "count": 0, "sum_fen": 0, "loads": []}, by="kiosk"
    )

    assert (yesterday.json["count"], (kiosk.json or {})["count"]) == (0, 0)


def test_a_day_is_the_local_one(platform: Platform) -> None:
    platform.clock.moment = datetime(
        2026, 11, 22, 17, 0, tzinfo=UTC
    )  # one in the morning of the 23rd in Foshan
    reader, _ = reader_with_card(platform)
    load_id = reader.load(1000)["load_id"]

    answer = close(platform, (load_id, 1000))

    assert answer.json["differences"] == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"count": 2}, (422, "invalid_report")),
        ({"sum_fen": 999}, (422, "invalid_report")),
        ({"day": "2026-11-23"}, (400, "invalid_fields")),
        ({"day": "2026112"}, (400, "invalid_fields")),
        ({"count": 501}, (400, "invalid_fields")),
        ({"sum_fen": -1}, (400, "invalid_fields")),
        ({"loads": [{"load_id": "top_1", "amount_fen": 0}]}, (400, "invalid_fields")),
        ({"loads": [{"load_id": "top_1", "amount_fen": 500}] * 2}, (422, "invalid_value")),
        ({"loads": None}, (400, "invalid_fields")),
        ({"note": "x"}, (400, "invalid_fields")),
        ({"terminal": "602000000001"}, (403, "terminal_differs")),
    ],
    ids=str,
)
def test_a_list_that_does_not_add_up_is_refused(
    platform: Platform, changes: dict[str, Any], expected: tuple[int, str]
) -> None:
    assert problem(close(platform, ("top_1", 1000), **changes)) == expected


@pytest.mark.parametrize("terminal", ["58800000000", "x", "5880000000007٣"])
def test_a_terminal_that_cannot_be_is_no_terminal(platform: Platform, terminal: str) -> None:
    assert close(platform, terminal=terminal).status_code in (403, 404, 422)
