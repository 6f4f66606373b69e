import pytest
from hypothesis import given
from hypothesis import strategies as st

from ota.card.apdu import Command, Response, from_hex
from ota.card.status import StatusWord
from ota.core.errors import InvalidValue
from tests.outcome import outcome

byte = st.integers(0, 255)
commands = st.builds(Command, byte, byte, byte, byte, st.binary(max_size=255), st.none() | byte)


@pytest.mark.parametrize(
    ("command", "wire"),
    [
        (Command(0x80, 0xF2, 0x20, 0x02), "80F22002"),
        (Command(0x80, 0x5C, 0x00, 0x02, le=4), "805C000204"),
        (Command(0x00, 0xA4, 0x00, 0x00, b"\xdd\xf1"), "00A4000002DDF1"),
        (Command(0x80, 0x5A, 0x00, 0x02, b"\x00\x07", 8), "805A000202000708"),
        (Command(0x00, 0xB0, 0x95, 0x00, le=0), "00B0950000"),
    ],
)
def test_the_four_cases_of_a_short_command(command: Command, wire: str) -> None:
    assert command.encode().hex().upper() == wire
    assert Command.from_hex(wire) == command


@given(commands)
def test_every_command_survives_the_wire(command: Command) -> None:
    assert Command.parse(command.encode()) == command


@given(st.binary(max_size=300))
def test_any_bytes_are_a_command_or_an_invalid_value(raw: bytes) -> None:
    read = outcome(Command.parse, raw)

    assert isinstance(read, InvalidValue) or (isinstance(read, Command) and read.encode() == raw)


@pytest.mark.parametrize(
    "wire", ["", "00A404", "00A4040000FF", "00A4040002DD", "00A4040002DDF10000", "00A40400000000"]
)
def test_a_command_whose_length_contradicts_its_lc_is_refused(wire: str) -> None:
    with pytest.raises(InvalidValue, match="apdu"):
        Command.from_hex(wire)


@pytest.mark.parametrize("header", [(256, 0, 0, 0), (0, -1, 0, 0), (0, 0, 256, 0), (0, 0, 0, 256)])
def test_a_header_holds_bytes(header: tuple[int, int, int, int]) -> None:
    with pytest.raises(InvalidValue, match="one byte"):
        Command(*header)


def test_data_and_le_have_their_limits() -> None:
    with pytest.raises(InvalidValue, match="data"):
        Command(0, 0, 0, 0, bytes(256))
    with pytest.raises(InvalidValue, match="le"):
        Command(0, 0, 0, 0, le=256)


def test_a_command_can_ask_again_with_another_length() -> None:
    assert Command(0, 0xB0, 0x95, 0, le=0).with_le(30) == Command(0, 0xB0, 0x95, 0, le=30)


def test_neither_command_nor_response_prints_its_data() -> None:
    assert repr(Command(0x84, 0xE2, 0x88, 0x00, b"secret", 0)) == "Command(84E28800, 6 bytes, le=0)"
    assert repr(Response(b"secret", StatusWord(0x9000))) == "Response(6 bytes, 9000)"


@given(st.binary(max_size=256), st.integers(0, 0xFFFF))
def test_every_response_survives_the_wire(data: bytes, sw: int) -> None:
    response = Response(data, StatusWord(sw))

    assert Response.parse(response.encode()) == response


@pytest.mark.parametrize("length", [0, 1, 259])
def test_a_response_that_is_none_is_refused(length: int) -> None:
    with pytest.raises(InvalidValue, match="response"):
        Response.parse(bytes(length))


@pytest.mark.parametrize("text", ["0", "0G", "0x00", "00 00", "00\n", "１２", "+1"])
def test_hex_is_digits_in_pairs(text: str) -> None:
    with pytest.raises(InvalidValue, match="apdu"):
        from_hex("apdu", text)


def test_hex_may_be_in_either_case_or_empty() -> None:
    assert from_hex("apdu", "aBcD") == b"\xab\xcd"
    assert from_hex("apdu", "") == b""
