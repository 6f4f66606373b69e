from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ota.card.apdu import Command
from ota.card.keys import Algorithm, KeyRole
from ota.core.errors import InvalidValue
from ota.hsm_adapter.errors import AlgorithmNotSupported
from ota.hsm_adapter.ports import KeyWriting
from tests.hsm_adapter import reference
from tests.hsm_adapter.keyring import MASTER, PATH, an_hsm, card_key

CARD_ALGORITHMS = (Algorithm.TDES, Algorithm.SM4)
algorithms = pytest.mark.parametrize("algorithm", CARD_ALGORITHMS)
RANDOM = bytes.fromhex("1FB1F7C0")


@given(
    algorithm=st.sampled_from(CARD_ALGORITHMS),
    random=st.one_of(st.binary(min_size=4, max_size=4), st.binary(min_size=8, max_size=8)),
    data=st.binary(max_size=251),
)
def test_a_command_mac_comes_out_as_in_the_reference(
    algorithm: Algorithm, random: bytes, data: bytes
) -> None:
    command = Command(0x04, 0xD6, 0x95, 0x00, data)
    key = reference.diversified(algorithm, MASTER, PATH)

    secured = an_hsm().secure_apdu(card_key(KeyRole.APP_MAINTENANCE, algorithm), random, command)

    message = bytes((0x04, 0xD6, 0x95, 0x00, len(data) + 4)) + data
    assert secured.data == data + reference.command_mac(algorithm, key, random, message)
    assert secured.header == command.header


def test_a_command_without_room_for_a_mac_is_refused() -> None:
    command = Command(0x04, 0xD6, 0x95, 0x00, bytes(252))

    with pytest.raises(InvalidValue, match="251"):
        an_hsm().secure_apdu(card_key(KeyRole.APP_MAINTENANCE), RANDOM, command)


@pytest.mark.parametrize("random", [b"", bytes(3), bytes(5), bytes(16)])
def test_a_challenge_of_another_length_is_refused(random: bytes) -> None:
    with pytest.raises(InvalidValue, match="random"):
        an_hsm().external_auth(card_key(KeyRole.CARD_CONTROL), random)


def test_external_authenticate_of_3des_enciphers_the_padded_challenge() -> None:
    key = reference.diversified("3DES", MASTER, PATH)

    cryptogram = an_hsm().external_auth(card_key(KeyRole.APP_CONTROL), RANDOM)

    assert cryptogram == reference.tdes(key, RANDOM + bytes(4))


def test_external_authenticate_of_sm4_folds_the_block() -> None:
    key = reference.diversified("SM4", MASTER, PATH)
    block = reference.sm4(key, bytes(range(8)) + bytes(8))

    cryptogram = an_hsm().external_auth(card_key(KeyRole.APP_CONTROL, Algorithm.SM4), bytes(range(8)))

    assert cryptogram == reference.xor(block[:8], block[8:])


@algorithms
def test_a_written_key_is_enciphered_and_maced_under_the_wrapping_key(algorithm: Algorithm) -> None:
    size = 8 if algorithm is Algorithm.TDES else 16
    wrapping = reference.diversified(algorithm, MASTER, PATH)
    fresh = reference.diversified(algorithm, MASTER, PATH[:1])
    header = bytes.fromhex("01003300")
    plain = reference.padded(b"\x14" + header + fresh, size)
    cipher = reference.tdes if algorithm is Algorithm.TDES else reference.sm4
    expected = b"".join(cipher(wrapping, block) for block in reference.blocks(plain, size))

    command = an_hsm().write_key(
        card_key(KeyRole.LOAD, algorithm, PATH[:1]),
        card_key(KeyRole.APP_CONTROL, algorithm),
        RANDOM,
        KeyWriting(0x07, 0x01, header),
    )

    message = bytes((0x84, 0xD4, 0x07, 0x01, len(expected) + 4)) + expected
    assert command.data == expected + reference.command_mac(algorithm, wrapping, RANDOM, message)
    assert command.header == bytes.fromhex("84D40701")


def test_a_key_header_of_another_length_is_refused() -> None:
    with pytest.raises(InvalidValue, match="header"):
        an_hsm().write_key(
            card_key(KeyRole.LOAD), card_key(KeyRole.APP_CONTROL), RANDOM, KeyWriting(7, 1, b"\x01")
        )


def test_a_key_is_not_written_under_one_of_another_algorithm() -> None:
    with pytest.raises(AlgorithmNotSupported):
        an_hsm().write_key(
            card_key(KeyRole.LOAD, Algorithm.SM4),
            card_key(KeyRole.APP_CONTROL),
            RANDOM,
            KeyWriting(7, 1, bytes(4)),
        )
