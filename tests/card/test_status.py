import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ota.card.status import SUCCESS, StatusPattern, StatusWord
from ota.core.errors import InvalidValue
from tests.outcome import outcome

words = st.integers(0, 0xFFFF).map(StatusWord)


@given(words)
def test_every_status_word_survives_hex_and_bytes(sw: StatusWord) -> None:
    assert StatusWord.from_hex(str(sw)) == sw
    assert StatusWord.from_bytes(sw.to_bytes()) == sw


def test_a_status_word_prints_as_four_digits() -> None:
    assert repr(StatusWord(0x63C2)) == "StatusWord(63C2)"


@pytest.mark.parametrize("value", [-1, 0x10000, True])
def test_a_status_word_has_two_bytes(value: int) -> None:
    with pytest.raises(InvalidValue, match="sw"):
        StatusWord(value)


@pytest.mark.parametrize("text", ["", "900", "90000", "9G00", "９０００", "9000\n"])
def test_what_is_no_status_word_in_hex_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match="sw"):
        StatusWord.from_hex(text)


@pytest.mark.parametrize("raw", [b"", b"\x90", b"\x90\x00\x00"])
def test_what_is_no_status_word_in_bytes_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidValue, match="sw"):
        StatusWord.from_bytes(raw)


@pytest.mark.parametrize(
    ("sw", "success", "more_data", "correct_le", "tries_left"),
    [
        (0x9000, True, None, None, None),
        (0x6110, False, 0x10, None, None),
        (0x6C1E, False, None, 0x1E, None),
        (0x63C2, False, None, None, 2),
        (0x6300, False, None, None, None),
    ],
)
def test_the_families_tell_their_number(
    sw: int, *, success: bool, more_data: int | None, correct_le: int | None, tries_left: int | None
) -> None:
    word = StatusWord(sw)

    assert word.is_success is success
    assert (word.more_data, word.correct_le, word.tries_left) == (more_data, correct_le, tries_left)


@pytest.mark.parametrize(
    ("pattern", "sw", "fits"),
    [
        ("9000", 0x9000, True),
        ("9000", 0x9001, False),
        ("61..", 0x61FF, True),
        ("61..", 0x6200, False),
        ("9000|6A88", 0x6A88, True),
        ("9000|6A88", 0x6A82, False),
        ("....", 0x1234, True),
        (".0.0", 0x9000, True),
    ],
)
def test_a_pattern_fits_what_it_names(pattern: str, sw: int, *, fits: bool) -> None:
    assert StatusPattern(pattern).matches(StatusWord(sw)) is fits


def test_a_pattern_expects_success_unless_told_otherwise() -> None:
    assert str(StatusPattern()) == "9000"
    assert StatusPattern().matches(SUCCESS)


@pytest.mark.parametrize(
    "text",
    ["", "900", "90000", "9000|", "|9000", "9000||6A88", "90x0", "63c.", "9000 ", "|".join(["9000"] * 17)],
)
def test_what_is_no_pattern_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match="expect"):
        StatusPattern(text)


@given(st.text(max_size=40), words)
def test_any_text_is_a_pattern_that_agrees_with_a_regular_expression_or_an_error(
    text: str, sw: StatusWord
) -> None:
    pattern = outcome(StatusPattern, text)

    assert isinstance(pattern, InvalidValue) or (
        isinstance(pattern, StatusPattern) and pattern.matches(sw) == bool(re.fullmatch(text, str(sw)))
    )


@given(st.lists(st.text("0123456789ABCDEF.", min_size=4, max_size=4), min_size=1, max_size=16), words)
def test_a_pattern_agrees_with_a_regular_expression(alternatives: list[str], sw: StatusWord) -> None:
    text = "|".join(alternatives)

    assert StatusPattern(text).matches(sw) == bool(re.fullmatch(text, str(sw)))
