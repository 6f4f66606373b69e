"""SM4's way through a token. No token here has it, so AES stands in its place: the rules are those of SM4."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES

from ota.card.apdu import Command
from ota.card.keys import Algorithm, KeyRole
from ota.core.values import Mac4
from ota.hsm_adapter.errors import AlgorithmNotSupported, ExposureRefused, Mac1Wrong, TacWrong
from ota.hsm_adapter.pkcs11 import Pkcs11Hsm, Sm4Mechanisms, TokenPlace
from ota.hsm_adapter.pkcs11.probe import Probed, find_out, probed
from ota.hsm_adapter.ports import Exposure, KeyWriting, Operation
from ota.hsm_adapter.software.epurse import EPurseRules, Sm4SessionRule
from tests.hsm_adapter import reference
from tests.hsm_adapter.keyring import MASTER, PATH, a_load, card_key, expected_mac2, expected_tac
from tests.hsm_adapter.pkcs11.holders import MODULE_OF_AES, hsm_of, one_master

SM4 = Algorithm.SM4
RANDOM = bytes.fromhex("1FB1F7C0")
VENDOR = Sm4Mechanisms(0x8000_0011, 0x8000_1104, 0x8000_1082)


@pytest.fixture(autouse=True)
def aes_in_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    def aes(key: bytes, block: bytes) -> bytes:
        return Cipher(AES(key), modes.ECB()).encryptor().update(block)  # noqa: S305  one block, as SM4 would

    monkeypatch.setattr(reference, "sm4", aes)


@pytest.fixture
def token_hsm(place: TokenPlace) -> Pkcs11Hsm:
    return hsm_of(place, one_master(SM4), maximum=Exposure.NONE, sm4=MODULE_OF_AES)


def test_a_load_is_authorised(token_hsm: Pkcs11Hsm) -> None:
    load = a_load(SM4)

    assert token_hsm.authorise_load(card_key(KeyRole.LOAD, SM4), load) == expected_mac2(SM4, load)


def test_a_wrong_mac1_gives_nothing(token_hsm: Pkcs11Hsm) -> None:
    with pytest.raises(Mac1Wrong):
        token_hsm.authorise_load(card_key(KeyRole.LOAD, SM4), a_load(SM4, master=bytes(range(16))))


def test_the_session_key_rule_is_a_setting(place: TokenPlace) -> None:
    rules = EPurseRules(sm4_session=Sm4SessionRule.REPEAT)
    hsm = hsm_of(place, one_master(SM4), sm4=MODULE_OF_AES, rules=rules)

    with pytest.raises(Mac1Wrong):
        hsm.check_mac1(card_key(KeyRole.LOAD, SM4), a_load(SM4))


def test_a_tac_is_verified_without_exposure(token_hsm: Pkcs11Hsm) -> None:
    load = a_load(SM4)
    key = card_key(KeyRole.TAC, SM4)

    token_hsm.verify_tac(key, load, expected_tac(SM4, load))

    with pytest.raises(TacWrong):
        token_hsm.verify_tac(key, load, Mac4(bytes(4)))


def test_a_folded_tac_key_needs_exposure(place: TokenPlace) -> None:
    hsm = hsm_of(
        place,
        one_master(SM4),
        maximum=Exposure.HALF_CARD_KEY,
        sm4=MODULE_OF_AES,
        rules=EPurseRules(sm4_tac_xor=True),
    )

    with pytest.raises(ExposureRefused):
        hsm.verify_tac(card_key(KeyRole.TAC, SM4), a_load(SM4), Mac4(bytes(4)))


def test_a_command_mac_chains_the_padded_challenge(token_hsm: Pkcs11Hsm) -> None:
    secured = token_hsm.secure_apdu(
        card_key(KeyRole.APP_MAINTENANCE, SM4), RANDOM, Command(0x04, 0xD6, 0x95, 0x00, bytes(30))
    )

    key = reference.diversified("SM4", MASTER, PATH)
    message = bytes.fromhex("04D6950022") + bytes(30)
    assert secured.data[30:] == reference.command_mac("SM4", key, RANDOM, message)


def test_external_authenticate_folds_the_block(token_hsm: Pkcs11Hsm) -> None:
    cryptogram = token_hsm.external_auth(card_key(KeyRole.APP_CONTROL, SM4), RANDOM)

    block = reference.sm4(reference.diversified("SM4", MASTER, PATH), RANDOM + bytes(12))
    assert cryptogram == reference.xor(block[:8], block[8:])


def test_a_key_is_written_under_another(place: TokenPlace) -> None:
    hsm = hsm_of(place, one_master(SM4), sm4=MODULE_OF_AES)
    key = reference.diversified("SM4", MASTER, PATH)

    command = hsm.write_key(
        card_key(KeyRole.SPARE, SM4), card_key(KeyRole.APP_CONTROL, SM4), RANDOM, KeyWriting(7, 1, bytes(4))
    )

    plain = reference.padded(bytes((20,)) + bytes(4) + key, 16)
    cipher = b"".join(reference.sm4(key, block) for block in reference.blocks(plain, 16))
    assert command.data[:-4] == cipher


def test_a_check_value_is_over_zeros(token_hsm: Pkcs11Hsm) -> None:
    key = reference.diversified("SM4", MASTER, PATH)

    assert token_hsm.kcv(card_key(KeyRole.SPARE, SM4)) == reference.sm4(key, bytes(16))[:3]


def test_the_probe_does_not_take_another_cipher_for_sm4(place: TokenPlace) -> None:
    found = find_out(place, sm4=MODULE_OF_AES)

    assert {exposure for what, exposure in found.items() if what.algorithm is SM4} == {None}
    assert found[Probed(Operation.AUTHORISE_LOAD, Algorithm.TDES)] is Exposure.NONE


def test_numbers_that_the_token_does_not_know_leave_sm4_out(place: TokenPlace) -> None:
    capabilities = probed(place, sm4=VENDOR)

    assert not any(algorithm is SM4 for _, algorithm in capabilities.operations)
    assert capabilities.supports(Operation.AUTHORISE_LOAD, Algorithm.TDES)


def test_a_vendors_numbers_are_called_by_their_numbers() -> None:
    cipher = VENDOR.cipher()

    assert (int(cipher.key_type), int(cipher.ecb_data), int(cipher.cbc)) == (
        0x8000_0011,
        0x8000_1104,
        0x8000_1082,
    )
    assert cipher.ecb_data.name == "VENDOR_80001104"


def test_without_sm4_every_operation_says_so(provisioned: TokenPlace) -> None:
    hsm = Pkcs11Hsm.open(provisioned, environment="sandbox")

    with pytest.raises(AlgorithmNotSupported, match="SM4"):
        hsm.authorise_load(card_key(KeyRole.LOAD, SM4), a_load(SM4))
