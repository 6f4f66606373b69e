from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ota.card.apdu import Command
from ota.card.keys import Algorithm, KeyRole
from ota.core.errors import InvalidValue
from ota.core.values import Mac4
from ota.hsm_adapter.errors import (
    AlgorithmNotSupported,
    ExposureRefused,
    KeyMisuse,
    KeyNotUsable,
    KeyUnknown,
    Mac1Wrong,
    TacWrong,
)
from ota.hsm_adapter.keys import CardKey, KeyState
from ota.hsm_adapter.pkcs11 import Pkcs11Hsm, TokenPlace
from ota.hsm_adapter.pkcs11.errors import KeyNeedsPath
from ota.hsm_adapter.ports import Exposure, KeyWriting
from tests.hsm_adapter import reference
from tests.hsm_adapter.keyring import MASTER, PATH, a_load, card_key, expected_mac2, expected_tac, key_ref
from tests.hsm_adapter.pkcs11.holders import hsm_of, one_master

TDES = Algorithm.TDES
RANDOM = bytes.fromhex("1FB1F7C0")
BLOCK = Command(0x84, 0x1E, 0x00, 0x00)
WRITING = KeyWriting(0x39, 0x00, bytes.fromhex("01003300"))


def test_a_right_mac1_is_answered_with_mac2(strict: Pkcs11Hsm) -> None:
    load = a_load()

    mac2 = strict.authorise_load(card_key(KeyRole.LOAD), load)

    assert mac2 == expected_mac2(TDES, load)
    assert strict.authorise_load(card_key(KeyRole.LOAD), load) == mac2


def test_a_right_mac1_is_confirmed(strict: Pkcs11Hsm) -> None:
    strict.check_mac1(card_key(KeyRole.LOAD), a_load())

    with pytest.raises(Mac1Wrong):
        strict.check_mac1(card_key(KeyRole.LOAD), a_load(master=bytes(range(16))))


def test_in_a_batch_a_wrong_mac1_stands_at_its_place(strict: Pkcs11Hsm) -> None:
    right, wrong = a_load(), a_load(master=bytes(range(16)))

    first, second, third = strict.authorise_loads(
        [(card_key(KeyRole.LOAD), load) for load in (right, wrong, right)]
    )

    assert first == third == expected_mac2(TDES, right)
    assert isinstance(second, Mac1Wrong)


def test_a_batch_longer_than_a_turn_is_answered_in_order(strict: Pkcs11Hsm) -> None:
    loads = [a_load(atc=number) for number in range(600)]

    answers = strict.authorise_loads([(card_key(KeyRole.LOAD), load) for load in loads])

    assert answers == [expected_mac2(TDES, load) for load in loads]
    assert strict.authorise_loads([]) == []


def test_a_load_without_time_gets_no_mac2(strict: Pkcs11Hsm) -> None:
    with pytest.raises(InvalidValue):
        strict.authorise_load(card_key(KeyRole.LOAD), replace(a_load(), at=None))


@given(path=st.lists(st.binary(min_size=8, max_size=8), max_size=8).map(tuple))
def test_any_number_of_levels_leads_to_the_card(strict: Pkcs11Hsm, path: tuple[bytes, ...]) -> None:
    load = a_load(path=path)

    mac2 = strict.authorise_load(card_key(KeyRole.LOAD, path=path), load)

    assert mac2 == expected_mac2(TDES, load, path=path)


def test_a_tac_is_verified_where_exposure_is_allowed(hsm: Pkcs11Hsm) -> None:
    load = a_load()
    key = card_key(KeyRole.TAC)

    hsm.verify_tac(key, load, expected_tac(TDES, load))

    with pytest.raises(TacWrong):
        hsm.verify_tac(key, load, Mac4(bytes(4)))


@pytest.mark.parametrize("maximum", [Exposure.NONE, Exposure.HALF_CARD_KEY])
def test_what_would_expose_a_card_key_is_refused_where_less_is_allowed(
    place: TokenPlace, maximum: Exposure
) -> None:
    hsm = hsm_of(place, one_master(), maximum=maximum)
    load = a_load()

    with pytest.raises(ExposureRefused):
        hsm.verify_tac(card_key(KeyRole.TAC), load, expected_tac(TDES, load))
    with pytest.raises(ExposureRefused):
        hsm.write_key(card_key(KeyRole.SPARE), card_key(KeyRole.APP_CONTROL), RANDOM, WRITING)


@pytest.mark.parametrize("length", [0, 1, 2, 3, 11, 100, 251])
def test_a_command_mac_is_made_inside(strict: Pkcs11Hsm, length: int) -> None:
    command = Command(0x04, 0xD6, 0x95, 0x00, bytes(length))

    secured = strict.secure_apdu(card_key(KeyRole.APP_MAINTENANCE), RANDOM, command)

    key = reference.diversified("3DES", MASTER, PATH)
    message = command.header + bytes((length + 4,)) + command.data
    assert secured.data == command.data + reference.command_mac("3DES", key, RANDOM, message)


def test_a_command_without_room_for_a_mac_is_refused(strict: Pkcs11Hsm) -> None:
    with pytest.raises(InvalidValue, match="251"):
        strict.secure_apdu(card_key(KeyRole.APP_MAINTENANCE), RANDOM, Command(0x04, 0xD6, 0, 0, bytes(252)))


@pytest.mark.parametrize("random", [b"", bytes(3), bytes(5), bytes(16)])
def test_a_challenge_of_another_length_is_refused(strict: Pkcs11Hsm, random: bytes) -> None:
    with pytest.raises(InvalidValue, match="random"):
        strict.external_auth(card_key(KeyRole.CARD_CONTROL), random)


def test_a_key_is_written_under_another(hsm: Pkcs11Hsm) -> None:
    key = reference.diversified("3DES", MASTER, PATH)

    command = hsm.write_key(card_key(KeyRole.SPARE), card_key(KeyRole.APP_CONTROL), RANDOM, WRITING)

    plain = reference.padded(bytes((20,)) + WRITING.header + key, 8)
    cipher = b"".join(reference.tdes(key, block) for block in reference.blocks(plain, 8))
    message = bytes.fromhex("84D439001C") + cipher
    assert command.encode() == message + reference.command_mac("3DES", key, RANDOM, message)


def test_a_key_is_written_under_a_key_of_its_own_algorithm_only(hsm: Pkcs11Hsm) -> None:
    with pytest.raises(AlgorithmNotSupported, match="SM4 under 3DES"):
        hsm.write_key(card_key(KeyRole.SPARE, Algorithm.SM4), card_key(KeyRole.APP_CONTROL), RANDOM, WRITING)


def test_a_header_of_another_length_is_refused(hsm: Pkcs11Hsm) -> None:
    with pytest.raises(InvalidValue, match="header"):
        hsm.write_key(
            card_key(KeyRole.SPARE), card_key(KeyRole.APP_CONTROL), RANDOM, KeyWriting(1, 1, bytes(3))
        )


def test_check_values_are_computed(strict: Pkcs11Hsm) -> None:
    key = reference.diversified("3DES", MASTER, PATH)

    assert strict.kcv(card_key(KeyRole.SPARE)) == reference.tdes(key, bytes(8))[:3]
    assert strict.kcv(card_key(KeyRole.SPARE, path=())) == reference.tdes(MASTER, bytes(8))[:3]


def test_random_bytes_come_from_the_token(strict: Pkcs11Hsm) -> None:
    assert [len(strict.random(length)) for length in (1, 16, 1024)] == [1, 16, 1024]
    assert strict.random(16) != strict.random(16)


@pytest.mark.parametrize("length", [0, -1, 1025])
def test_other_lengths_of_random_bytes_are_refused(strict: Pkcs11Hsm, length: int) -> None:
    with pytest.raises(InvalidValue, match="length"):
        strict.random(length)


def test_an_unknown_version_is_an_error_and_no_other_is_tried(strict: Pkcs11Hsm) -> None:
    key = CardKey(key_ref(KeyRole.LOAD, version=9), PATH)

    with pytest.raises(KeyUnknown, match="province/load/9/3DES"):
        strict.authorise_load(key, a_load())


def test_a_key_of_another_role_is_refused(hsm: Pkcs11Hsm) -> None:
    with pytest.raises(KeyMisuse):
        hsm.authorise_load(card_key(KeyRole.TAC), a_load())
    with pytest.raises(KeyMisuse):
        hsm.external_auth(card_key(KeyRole.LOAD), RANDOM)
    with pytest.raises(KeyMisuse):
        hsm.secure_apdu(card_key(KeyRole.PURCHASE), RANDOM, BLOCK)


def test_an_algorithm_that_the_operation_does_not_know_is_refused(hsm: Pkcs11Hsm) -> None:
    with pytest.raises(AlgorithmNotSupported, match="AES-128"):
        hsm.authorise_load(card_key(KeyRole.LOAD, Algorithm.AES128), a_load())


def test_an_aes_key_has_a_check_value_and_no_cards(place: TokenPlace) -> None:
    ref = key_ref(KeyRole.SD_ENC, Algorithm.AES128)
    hsm = hsm_of(place, {ref: bytes(range(16))})

    assert hsm.kcv(CardKey(ref, ())).hex().upper() == "C35280"
    with pytest.raises(AlgorithmNotSupported):
        hsm.kcv(CardKey(ref, PATH))


@pytest.mark.parametrize(
    ("state", "checks"),
    [(KeyState.PRE_ACTIVE, False), (KeyState.VERIFY_ONLY, True), (KeyState.RETIRED, False)],
)
def test_only_an_active_key_makes_something_new(place: TokenPlace, state: KeyState, checks: bool) -> None:
    hsm = hsm_of(place, one_master(), state=state)
    load = a_load()

    with pytest.raises(KeyNotUsable, match=state):
        hsm.authorise_load(card_key(KeyRole.LOAD), load)
    with pytest.raises(KeyNotUsable, match=state):
        hsm.require_authorising(card_key(KeyRole.LOAD))
    if checks:
        hsm.check_mac1(card_key(KeyRole.LOAD), load)
        hsm.verify_tac(card_key(KeyRole.TAC), load, expected_tac(TDES, load))
    else:
        with pytest.raises(KeyNotUsable):
            hsm.check_mac1(card_key(KeyRole.LOAD), load)


def test_halves_and_bytes_of_a_key_that_the_token_itself_holds_stay_there(hsm: Pkcs11Hsm) -> None:
    with pytest.raises(KeyNeedsPath):
        hsm.verify_tac(card_key(KeyRole.TAC, path=()), a_load(path=()), Mac4(bytes(4)))
    with pytest.raises(KeyNeedsPath):
        hsm.secure_apdu(card_key(KeyRole.APP_BLOCK, path=()), RANDOM, BLOCK)
    with pytest.raises(KeyNeedsPath):
        hsm.write_key(card_key(KeyRole.SPARE, path=()), card_key(KeyRole.APP_CONTROL), RANDOM, WRITING)


def test_its_repr_names_the_token_and_nothing_else(strict: Pkcs11Hsm, place: TokenPlace) -> None:
    assert repr(strict) == f"Pkcs11Hsm(TokenSession({place}))"
