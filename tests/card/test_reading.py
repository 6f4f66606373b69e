import pytest

from ota.card import reading
from ota.card.apdu import Command
from ota.core.errors import InvalidValue


@pytest.mark.parametrize(
    ("command", "wire"),
    [
        (reading.select_name(bytes.fromhex("A000000632010105")), "00A4040008A00000063201010500"),
        (reading.select_name(reading.PPSE, le=None), "00A404000E325041592E5359532E4444463031"),
        (reading.select_file(bytes.fromhex("DDF1")), "00A4000002DDF1"),
        (reading.read_binary(0x15, 0x1E), "00B095001E"),
        (reading.read_binary(0x15, 1, offset=0x31), "00B0953101"),
        (reading.read_record(0x18, 1), "00B201C400"),
        (reading.read_record(0x08, 1, 0x16), "00B2014416"),
        (reading.get_challenge(), "0084000004"),
        (reading.get_challenge(8), "0084000008"),
        (reading.verify_pin("123456"), "0020000003123456"),
    ],
)
def test_a_reader_asks_as_public_readers_do(command: Command, wire: str) -> None:
    assert command.encode().hex().upper() == wire


@pytest.mark.parametrize("length", [4, 17])
def test_an_aid_has_5_to_16_bytes(length: int) -> None:
    with pytest.raises(InvalidValue, match="aid"):
        reading.select_name(bytes(length))


def test_a_file_identifier_has_2_bytes() -> None:
    with pytest.raises(InvalidValue, match="fid"):
        reading.select_file(b"\xdd")


@pytest.mark.parametrize("sfi", [0, 32])
def test_a_short_file_identifier_is_1_to_31(sfi: int) -> None:
    with pytest.raises(InvalidValue, match="sfi"):
        reading.read_binary(sfi)
    with pytest.raises(InvalidValue, match="sfi"):
        reading.read_record(sfi, 1)


def test_a_challenge_has_4_or_8_bytes() -> None:
    with pytest.raises(InvalidValue, match="length"):
        reading.get_challenge(16)


@pytest.mark.parametrize("pin", ["", "12", "123", "12345a", "12345678901234", "１２３４"])
def test_a_pin_has_an_even_number_of_digits(pin: str) -> None:
    with pytest.raises(InvalidValue, match="pin"):
        reading.verify_pin(pin)
