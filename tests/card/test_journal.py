from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ota.card.journal import LogRecord
from ota.card.problems import MalformedAnswer
from ota.core.values import CardTime, Fen
from tests.card.vectors import LOADS, load_of
from tests.outcome import outcome

CHIP_LINE = bytes.fromhex("000100000000001C370200000100005020140825103100")
CHIP_LOAD = load_of(LOADS[0])


def test_the_chips_line_is_read() -> None:
    record = LogRecord.parse(CHIP_LINE)

    assert record == LogRecord(
        1, 0, Fen(0x1C37), 2, bytes.fromhex("000001000050"), CardTime("20140825103100")
    )


@pytest.mark.parametrize(
    ("line", "amount", "transaction_type"),
    [
        ("042D000000000001F40930008900034020241229141740", 500, 9),
        ("0001000000000000640941310177670320241027212555", 100, 9),
    ],
)
def test_lines_seen_on_real_cards_are_read(line: str, amount: int, transaction_type: int) -> None:
    record = LogRecord.parse(bytes.fromhex(line))

    assert (record.amount, record.transaction_type) == (Fen(amount), transaction_type)
    assert record.at is not None


@pytest.mark.parametrize("filler", [b"\x00", b"\xff"])
def test_a_blank_line_has_no_moment(filler: bytes) -> None:
    assert LogRecord.parse(filler * 23).at is None


@given(st.binary(max_size=30))
def test_any_line_is_a_value_or_a_malformed_answer(data: bytes) -> None:
    assert isinstance(outcome(LogRecord.parse, data), LogRecord if len(data) == 23 else MalformedAnswer)


@pytest.mark.parametrize("atc", [0, 1])
def test_a_load_is_found_whether_the_card_logs_before_or_after_its_increment(atc: int) -> None:
    assert replace(LogRecord.parse(CHIP_LINE), atc=atc).shows(CHIP_LOAD)


def test_the_counter_may_turn_over_between_the_two() -> None:
    load = replace(CHIP_LOAD, answer=replace(CHIP_LOAD.answer, online_atc=0xFFFF))

    assert replace(LogRecord.parse(CHIP_LINE), atc=0).shows(load)


@pytest.mark.parametrize(
    "other",
    [
        {"atc": 2},
        {"atc": 0xFFFF},
        {"amount": Fen(1)},
        {"transaction_type": 9},
        {"terminal": bytes(6)},
        {"at": CardTime("20140825103101")},
        {"at": None},
    ],
)
def test_another_line_is_not_this_load(other: dict[str, Any]) -> None:
    record = replace(LogRecord.parse(CHIP_LINE), **other)

    assert not record.shows(CHIP_LOAD)


def test_a_load_without_its_time_is_in_no_journal() -> None:
    assert not LogRecord.parse(bytes(23)).shows(replace(CHIP_LOAD, at=None))
