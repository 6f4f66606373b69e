from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ota.card.apdu import Command
from ota.card.globalplatform import commands, scp02, scp03
from ota.card.globalplatform.answer import parse_answer
from ota.card.globalplatform.protection import (
    block_length,
    check_length,
    external_authenticate,
    is_enciphered,
    mac_header,
    max_data,
    pad,
    protected,
    unpad,
)
from ota.card.globalplatform.registry import (
    KeyInformation,
    RegistryEntry,
    parse_key_information,
    parse_sequence_counter,
    parse_status,
)
from ota.card.globalplatform.variant import SCP02, SCP03, ScpVariant
from ota.card.problems import MalformedAnswer
from ota.card.status import StatusWord
from ota.core.errors import InvalidValue

AID = bytes.fromhex("A0000006320101055800022058100000")
RECORDED_SCP02 = bytes.fromhex("0000C6D86A1CB2021413200200078D4A65B3708656D0C24BB34A7002")
RECORDED_SCP03 = bytes.fromhex("000000000000000000003003703B1ACA81E821F219081CDC01C26B372D000003")


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (commands.select(AID), "00A4040010A000000632010105580002205810000000"),
        (
            commands.initialize_update(0x20, bytes.fromhex("01D721EBC3D7CAFB")),
            "805020000801D721EBC3D7CAFB00",
        ),
        (
            commands.install_for_install(
                bytes.fromhex("D15600015847444350"),
                bytes.fromhex("D1560001584744435001"),
                AID,
                parameters=bytes.fromhex("C900"),
            ),
            "80E60C002C"
            "09D15600015847444350"
            "0AD1560001584744435001"
            "10" + AID.hex().upper() + "0100" + "02C900" + "00" + "00",
        ),
        (
            commands.install_for_personalization(AID),
            "80E620001600" + "00" + "10" + "A0000006320101055800022058100000" + "000000" + "00",
        ),
        (commands.delete(AID), "80E40000124F10A000000632010105580002205810000000"),
        (commands.delete(AID[:8], with_related=True), "80E400800A4F08A00000063201010500"),
        (commands.store_data(0, b"\xb0\x01\x00", last=False, enciphered=False), "80E2080003B00100"),
        (commands.store_data(7, b"\xb0\xa0\x00", last=True, enciphered=True), "80E2E80703B0A000"),
        (
            commands.put_key(0x20, 0x21, commands.key_block(0x80, bytes(16), bytes(3))),
            "80D8208117" + "21" + "8010" + "00" * 16 + "03000000" + "00",
        ),
        (
            commands.put_key(
                0x00, 0x30, commands.key_block(0x88, bytes(16), bytes(3), clear_length=16), first_id=2
            ),
            "80D8008218" + "30" + "881110" + "00" * 16 + "03000000" + "00",
        ),
        (commands.get_status(commands.APPLICATIONS), "80F24002024F0000"),
        (
            commands.get_status(commands.LOAD_FILES, AID[:5], following=True),
            "80F22003074F05A00000063200",
        ),
        (commands.get_data(commands.CPLC), "80CA9F7F00"),
        (commands.get_data(commands.SEQUENCE_COUNTER), "80CA00C100"),
    ],
)
def test_a_command_is_built_as_the_standard_says(command: Command, expected: str) -> None:
    assert command.encode().hex().upper() == expected


@pytest.mark.parametrize("length", [0, 4, 17])
def test_an_aid_has_five_to_sixteen_bytes(length: int) -> None:
    with pytest.raises(InvalidValue, match="aid"):
        commands.select(bytes(length))


@pytest.mark.parametrize("length", [0, 7, 9])
def test_a_host_challenge_has_eight_bytes(length: int) -> None:
    with pytest.raises(InvalidValue, match="host_challenge"):
        commands.initialize_update(0, bytes(length))


@pytest.mark.parametrize("tag", [0, -1, 0x10000])
def test_a_tag_for_get_data_has_two_bytes(tag: int) -> None:
    with pytest.raises(InvalidValue, match="tag"):
        commands.get_data(tag)


def test_an_install_that_does_not_fit_is_refused() -> None:
    with pytest.raises(InvalidValue, match="install"):
        commands.install_for_install(AID, AID, AID, parameters=bytes(220))


@pytest.mark.parametrize(
    ("variant", "raw", "version", "sequence", "challenge"),
    [
        (ScpVariant(2, 0x15), RECORDED_SCP02, 0x20, "0007", "8d4a65b37086"),
        (ScpVariant(3, 0x70), RECORDED_SCP03, 0x30, "000003", "3b1aca81e821f219"),
        (ScpVariant(3, 0x60), RECORDED_SCP03[:29], 0x30, "", "3b1aca81e821f219"),
    ],
)
def test_a_recorded_answer_is_read_and_written_back(
    variant: ScpVariant, raw: bytes, version: int, sequence: str, challenge: str
) -> None:
    answer = parse_answer(variant, raw)

    assert (answer.key_version, answer.protocol) == (version, variant.protocol)
    assert (answer.sequence.hex(), answer.card_challenge.hex()) == (sequence, challenge)
    assert answer.encode() == raw
    assert repr(answer) == f"InitializeUpdateAnswer(SCP{variant.protocol:02d}, key version {version:02X})"


@given(
    variant=st.sampled_from([ScpVariant(2, 0x55), ScpVariant(3, 0x00), ScpVariant(3, 0x10)]), raw=st.binary()
)
def test_any_other_answer_is_malformed(variant: ScpVariant, raw: bytes) -> None:
    expected = {0x55: 28, 0x00: 29, 0x10: 32}[variant.i]
    if len(raw) == expected:
        assert parse_answer(variant, raw).encode() == raw
        return

    with pytest.raises(MalformedAnswer):
        parse_answer(variant, raw)


@pytest.mark.parametrize(
    ("protocol", "i"),
    [(1, 0x15), (2, 0x05), (2, 0x00), (3, 0x01), (3, 0x40), (3, 0x50), (3, 0x08), (3, 0x80)],
)
def test_a_variant_nobody_supports_is_refused(protocol: int, i: int) -> None:
    with pytest.raises(InvalidValue, match="scp"):
        ScpVariant(protocol, i)


@pytest.mark.parametrize(
    ("protocol", "i", "levels", "predictable"),
    [
        (2, 0x15, (0x01, 0x03), False),
        (2, 0x55, (0x01, 0x03), True),
        (3, 0x00, (0x01, 0x03), False),
        (3, 0x10, (0x01, 0x03), True),
        (3, 0x20, (0x01, 0x03, 0x11, 0x13), False),
        (3, 0x30, (0x01, 0x03, 0x11, 0x13), True),
        (3, 0x60, (0x01, 0x03, 0x11, 0x13, 0x33), False),
        (3, 0x70, (0x01, 0x03, 0x11, 0x13, 0x33), True),
    ],
)
def test_a_variant_knows_its_levels(
    protocol: int, i: int, levels: tuple[int, ...], *, predictable: bool
) -> None:
    variant = ScpVariant(protocol, i)

    assert variant.levels == levels
    assert variant.is_predictable is predictable
    for level in range(256):
        if level in levels:
            variant.check_level(level)
            continue
        with pytest.raises(InvalidValue, match=str(variant)):
            variant.check_level(level)


@given(data=st.binary(max_size=64), block=st.sampled_from([8, 16]))
def test_padding_comes_off_again(data: bytes, block: int) -> None:
    padded = pad(data, block)

    assert len(padded) % block == 0
    assert 1 <= len(padded) - len(data) <= block
    assert unpad(padded, block) == data


@pytest.mark.parametrize("data", ["", "00" * 16, "01" * 16, "80" + "00" * 16])
def test_what_is_not_padded_is_noticed(data: str) -> None:
    assert unpad(bytes.fromhex(data), 16) is None


def test_the_header_under_a_mac_is_the_modified_one_of_channel_zero() -> None:
    command = Command(0x83, 0xE2, 0x88, 0x05, bytes(3), 0x00)

    assert mac_header(command, 3).hex() == "84e288050b"
    assert protected(command, b"\xaa", bytes(8)).encode().hex() == "87e2880509aa" + "00" * 8 + "00"


@pytest.mark.parametrize(
    ("variant", "level", "longest"),
    [
        (ScpVariant(2, 0x15), 0x01, 247),
        (ScpVariant(2, 0x15), 0x03, 239),
        (ScpVariant(3, 0x70), 0x01, 247),
        (ScpVariant(3, 0x70), 0x33, 239),
    ],
)
def test_a_level_leaves_room_for_so_much_data(variant: ScpVariant, level: int, longest: int) -> None:
    assert max_data(variant, level) == longest
    check_length(variant, level, Command(0x80, 0xE2, 0, 0, bytes(longest)))
    with pytest.raises(InvalidValue, match=str(longest)):
        check_length(variant, level, Command(0x80, 0xE2, 0, 0, bytes(longest + 1)))


@pytest.mark.parametrize(
    ("level", "data", "expected"), [(0x01, b"x", False), (0x03, b"", False), (0x03, b"x", True)]
)
def test_only_data_is_enciphered_and_only_at_its_levels(level: int, data: bytes, *, expected: bool) -> None:
    assert is_enciphered(level, Command(0x80, 0xE2, 0, 0, data)) is expected


def test_blocks_are_those_of_the_protocols_cipher() -> None:
    assert block_length(ScpVariant(SCP02, 0x15)) == 8
    assert block_length(ScpVariant(SCP03, 0x70)) == 16


def test_scp02_macs_and_derives_over_what_was_recorded() -> None:
    host = bytes.fromhex("01D721EBC3D7CAFB")
    answer = parse_answer(ScpVariant(2, 0x15), RECORDED_SCP02)

    card = scp02.card_cryptogram_data(host, answer)
    own = scp02.host_cryptogram_data(host, answer)

    assert card.hex() == "01d721ebc3d7cafb00078d4a65b370868000000000000000"
    assert own.hex() == "00078d4a65b3708601d721ebc3d7cafb8000000000000000"
    assert scp02.session_key_data(scp02.DERIVE_ENC, answer.sequence).hex() == "01820007" + "00" * 12
    authenticate = external_authenticate(0x01, bytes.fromhex("9BFA6409A708ABF1"))
    assert scp02.mac_data(authenticate).hex() == "84820100109bfa6409a708abf1800000"
    assert scp02.card_challenge_data(AID[:8]).hex() == "a0000006320101058000000000000000"


def test_scp03_macs_and_derives_over_label_length_and_context() -> None:
    derived = scp03.derivation_data(scp03.DERIVE_S_ENC, 128, b"\xaa\xbb")

    assert derived.hex() == "00" * 11 + "04" + "00" + "0080" + "aabb"
    assert derived[: scp03.COUNTER_POSITION] == derived[:15]
    assert scp03.card_challenge_context(bytes(3), AID[:8]) == bytes(3) + AID[:8]
    assert scp03.response_mac_data(bytes(16), b"\x01", StatusWord(0x9000)) == bytes(16) + b"\x01\x90\x00"


def test_the_counter_of_an_answer_is_told_from_that_of_its_command() -> None:
    assert scp03.counter_block(1).hex() == "00" * 15 + "01"
    assert scp03.counter_block(0x0102, response=True).hex() == "80" + "00" * 13 + "0102"


@pytest.mark.parametrize(
    ("sw", "expected"),
    [(0x9000, True), (0x6283, True), (0x63C2, True), (0x6A88, False), (0x6982, False), (0x6110, False)],
)
def test_errors_carry_no_response_mac(sw: int, *, expected: bool) -> None:
    assert scp03.is_protected(StatusWord(sw)) is expected


def test_a_registry_is_read_from_its_templates() -> None:
    data = bytes.fromhex("E3134F08A0000001510000009F70010FC5039EFE80" + "E30C4F05A0000006329F70020700")

    assert parse_status(data) == (
        RegistryEntry(bytes.fromhex("A000000151000000"), 0x0F, bytes.fromhex("9EFE80")),
        RegistryEntry(bytes.fromhex("A000000632"), 0x07, b""),
    )


@pytest.mark.parametrize(
    "data", ["E400", "E300", "E3074F05A000000632", "E3049F700107", "E30A4F05A0000006329F7000", "E3"]
)
def test_a_registry_without_its_elements_is_malformed(data: str) -> None:
    with pytest.raises(MalformedAnswer):
        parse_status(bytes.fromhex(data))


@pytest.mark.parametrize(("data", "counter"), [("C1020007", "0007"), ("C10300002A", "00002a")])
def test_a_sequence_counter_is_read(data: str, counter: str) -> None:
    assert parse_sequence_counter(bytes.fromhex(data)).hex() == counter


@pytest.mark.parametrize("data", ["", "C10107", "C104000000FF", "C2020007", "C1"])
def test_something_else_is_no_sequence_counter(data: str) -> None:
    with pytest.raises(MalformedAnswer):
        parse_sequence_counter(bytes.fromhex(data))


def test_key_information_is_read() -> None:
    data = bytes.fromhex("E00CC00401308810C00402308810")

    assert parse_key_information(data) == (
        KeyInformation(1, 0x30, 0x88, 0x10),
        KeyInformation(2, 0x30, 0x88, 0x10),
    )


@pytest.mark.parametrize("data", ["", "E00D", "E005C003013088", "E1020000"])
def test_something_else_is_no_key_information(data: str) -> None:
    with pytest.raises(MalformedAnswer):
        parse_key_information(bytes.fromhex(data))
