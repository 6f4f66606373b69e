from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ota.core.errors import InvalidValue
from ota.core.values import MAX_FEN, CardNumber, CardTime, CityCode, Fen, Mac4, TerminalNumber

NUMBER = "3104870312345678906"


def test_fen_add_up_and_know_their_bytes() -> None:
    total = Fen(5000) + Fen(7)

    assert total == Fen(5007)
    assert total - Fen(7) == Fen(5000)
    assert total.to_bytes() == bytes.fromhex("0000138F")
    assert Fen(1) < Fen(2)


def test_no_money_is_false_and_some_is_true() -> None:
    assert not Fen(0)
    assert Fen(1)


@pytest.mark.parametrize("amount", [-1, MAX_FEN + 1, True, 1.0, "1"])
def test_what_is_no_amount_of_fen_is_refused(amount: int) -> None:
    with pytest.raises(InvalidValue, match="amount_fen"):
        Fen(amount)


def test_a_purse_cannot_owe() -> None:
    with pytest.raises(InvalidValue, match="amount_fen"):
        Fen(1) - Fen(2)


def test_a_card_number_shows_its_ends_only() -> None:
    number = CardNumber(NUMBER)

    assert str(number) == "31048703*******8906"
    assert repr(number) == "CardNumber(31048703*******8906)"
    assert f"{number}" == number.masked


def test_a_card_number_gives_serial_and_factor() -> None:
    number = CardNumber(NUMBER)

    assert number.serial.hex() == "03104870312345678906"
    assert number.factor.hex() == "4870312345678906"


@given(st.from_regex(r"\A[0-9]{19}\Z"))
def test_a_card_number_survives_its_serial(digits: str) -> None:
    assert CardNumber.from_serial(CardNumber(digits).serial) == CardNumber(digits)


@pytest.mark.parametrize(
    "digits", ["", NUMBER[:-1], NUMBER + "1", "310487031234567890A", "３" * 19, NUMBER + "\n"]
)
def test_what_is_no_card_number_is_refused_without_being_repeated(digits: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        CardNumber(digits)

    assert "310487" not in str(caught.value)


@pytest.mark.parametrize(
    "serial", ["", "03104870312345678906" + "00", "13104870312345678906", "0310487031234567890F"]
)
def test_a_serial_that_is_none_is_refused(serial: str) -> None:
    with pytest.raises(InvalidValue, match="card_no"):
        CardNumber.from_serial(bytes.fromhex(serial))


def test_a_city_code_prints_as_itself() -> None:
    assert str(CityCode("5810")) == "5810"


@pytest.mark.parametrize("code", ["", "581", "58100", "58A0", "５８１０"])
def test_what_is_no_city_code_is_refused(code: str) -> None:
    with pytest.raises(InvalidValue, match="city"):
        CityCode(code)


def test_a_mac_is_never_printed() -> None:
    assert repr(Mac4(bytes.fromhex("06B1BEF5"))) == "Mac4(****)"


@pytest.mark.parametrize("length", [0, 3, 5, 8])
def test_a_mac_has_four_bytes(length: int) -> None:
    with pytest.raises(InvalidValue, match="mac"):
        Mac4(bytes(length))


def test_a_terminal_number_is_six_bcd_bytes() -> None:
    terminal = TerminalNumber("581000000001")

    assert str(terminal) == "581000000001"
    assert terminal.to_bytes().hex() == "581000000001"


@pytest.mark.parametrize("digits", ["", "58100000001", "5810000000012", "58100000000F"])
def test_what_is_no_terminal_number_is_refused(digits: str) -> None:
    with pytest.raises(InvalidValue, match="terminal_no"):
        TerminalNumber(digits)


def test_a_card_stores_guangdong_time() -> None:
    at = CardTime.at(datetime(2026, 1, 1, 16, 30, 5, 999999, tzinfo=UTC))

    assert at.digits == "20260102003005"
    assert at.to_bytes().hex() == "20260102003005"
    assert at.to_utc() == datetime(2026, 1, 1, 16, 30, 5, tzinfo=UTC)


@given(st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31), timezones=st.just(UTC)))  # noqa: DTZ001  bounds
def test_a_card_time_survives_the_way_there_and_back(moment: datetime) -> None:
    assert CardTime.at(moment).to_utc() == moment.replace(microsecond=0)


@pytest.mark.parametrize(
    "digits",
    ["", "2026010112000", "20260230000000", "20260101240000", "20260101000060", "00000000000000", "00010101000000",
     "2026010112000F"],
)  # fmt: skip
def test_what_is_no_moment_is_refused(digits: str) -> None:
    with pytest.raises(InvalidValue, match="card_time"):
        CardTime(digits)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(InvalidValue, match="zone"):
        CardTime.at(datetime(2026, 1, 1))  # noqa: DTZ001  the mistake under test
