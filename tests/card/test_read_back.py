from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ota.card import tlv
from ota.card.apdu import Response
from ota.card.problems import MalformedAnswer
from ota.card.product_file import load_product
from ota.card.read_back import Expectation, ReadBackDiffers, check_read_back, read_back
from ota.card.status import SUCCESS, StatusWord
from ota.core.errors import CardProblem
from tests.card.products import COMPATIBLE, GUANGZHOU
from tests.outcome import outcome

READINGS = read_back(load_product(COMPATIBLE), GUANGZHOU)


def answer(reading: Expectation, expected: bytes | None = None) -> Response:
    """What a card that was personalised well answers."""
    data = reading.expected if expected is None else expected
    for tag in reversed(reading.path):
        data = tlv.build(tag, data)
    return Response(data, SUCCESS)


GOOD = [answer(reading) for reading in READINGS]

by_number = pytest.mark.parametrize("number", range(len(READINGS)))


def test_the_readings_are_those_of_public_readers() -> None:
    assert [reading.command.encode().hex().upper() for reading in READINGS] == [
        "00A4040008A00000063201010500",
        "00B095001E",
        "00B097000B",
        "805C000204",
        "00A40400085041592E4150505900",
        "00B0950046",
        "00A40400085041592E5449434C00",
        "805C000204",
        "00A404000E325041592E5359532E444446303100",
    ]


def test_a_card_that_says_what_was_written_passes() -> None:
    check_read_back(READINGS, GOOD)

    assert [len(reading.expected) for reading in READINGS] == [30, 30, 11, 4, 8, 70, 33, 4, 78]


@by_number
def test_a_card_that_says_otherwise_is_named_by_its_reading_only(number: int) -> None:
    wrong = bytes([READINGS[number].expected[0] ^ 1]) + READINGS[number].expected[1:]
    answers = [*GOOD[:number], answer(READINGS[number], wrong), *GOOD[number + 1 :]]

    with pytest.raises(ReadBackDiffers) as caught:
        check_read_back(READINGS, answers)

    assert dict(caught.value.details) == {"reading": READINGS[number].name}
    assert "3104870312" not in str(caught.value)


@by_number
@pytest.mark.parametrize("length", [-1, 1])
def test_a_card_that_says_less_or_more_differs(number: int, length: int) -> None:
    expected = READINGS[number].expected[:length] if length < 0 else READINGS[number].expected + b"\x00"

    with pytest.raises((ReadBackDiffers, MalformedAnswer)):
        READINGS[number].check(answer(READINGS[number], expected))


def test_a_missing_answer_differs() -> None:
    with pytest.raises(ReadBackDiffers, match="PPSE"):
        check_read_back(READINGS, GOOD[:-1])


def test_a_card_that_was_used_may_hold_any_balance_and_differs_in_nothing_else() -> None:
    used = [
        answer(reading, b"\x00\x00\x13\x88") if "balance" in reading.name else answer(reading)
        for reading in READINGS
    ]

    check_read_back(READINGS, used, is_fresh=False)

    with pytest.raises(ReadBackDiffers, match="balance"):
        check_read_back(READINGS, used)
    with pytest.raises(ReadBackDiffers, match="EF15"):
        check_read_back(READINGS, [used[0], answer(READINGS[1], bytes(30)), *used[2:]], is_fresh=False)


def test_an_absent_element_differs() -> None:
    with pytest.raises(ReadBackDiffers, match="T-Union FCI"):
        READINGS[0].check(Response(bytes.fromhex("6F00"), SUCCESS))


@by_number
def test_an_unexpected_status_word_is_its_commands_problem(number: int) -> None:
    with pytest.raises(CardProblem) as caught:
        READINGS[number].check(Response(b"", StatusWord(0x6A81)))

    assert caught.value.problem_code == "application_locked"


@given(st.sampled_from(READINGS), st.binary(max_size=100))
def test_any_answer_passes_or_is_a_card_problem(reading: Expectation, data: bytes) -> None:
    found = outcome(reading.check, Response(data, SUCCESS))

    assert isinstance(found, CardProblem) or data == answer(reading).data


def test_a_reading_prints_its_name_only() -> None:
    assert repr(replace(READINGS[0], expected=b"secret")) == "Expectation(T-Union FCI)"
