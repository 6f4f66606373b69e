"""Every shared vector that a token can be asked for. SM4's are in test_sm4; raw card keys without a path have limits."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES as SOFTWARE_AES
from cryptography.hazmat.primitives.cmac import CMAC
from pkcs11 import Attribute

from ota.card.apdu import Command
from ota.card.globalplatform.variant import SCP02, SCP03, ScpVariant
from ota.card.keys import Algorithm, KeyRole
from ota.card.purse import Load, LoadAnswer
from ota.core.values import CardTime, Fen, Mac4
from ota.hsm_adapter.channel import ChannelRequest
from ota.hsm_adapter.errors import Mac1Wrong
from ota.hsm_adapter.keys import CardKey, Diversification, KeyRef, KeySetRef
from ota.hsm_adapter.pkcs11 import TokenPlace, session02, session03
from ota.hsm_adapter.pkcs11.ciphers import AES, TDES
from ota.hsm_adapter.pkcs11.diversify import StaticKeys, static_keys
from ota.hsm_adapter.pkcs11.errors import KeyNeedsPath
from ota.hsm_adapter.pkcs11.masters import Masters
from ota.hsm_adapter.pkcs11.token import Handle, OpenToken
from tests.hsm_adapter.pkcs11.holders import hsm_of, session_of

VECTORS = Path(__file__).parents[2] / "vectors"
PURSE = json.loads((VECTORS / "epurse.json").read_text())
CHANNELS = json.loads((VECTORS / "globalplatform.json").read_text())
ALGORITHMS = {16: Algorithm.AES128, 24: Algorithm.AES192, 32: Algorithm.AES256}
ROLES = (KeyRole.SD_ENC, KeyRole.SD_MAC, KeyRole.SD_DEK)

tdes_loads = pytest.mark.parametrize(
    "vector", [load for load in PURSE["load"] if load["alg"] == "3DES"], ids=lambda load: load["name"]
)
sessions = pytest.mark.parametrize(
    "vector", [*CHANNELS["scp02"], *CHANNELS["scp03"]], ids=lambda session: session["name"]
)


@tdes_loads
def test_a_load_is_authorised_as_recorded(place: TokenPlace, vector: dict[str, str]) -> None:
    key = CardKey(KeyRef(KeyRole.LOAD, "vectors", 1, Algorithm.TDES), ())
    hsm = hsm_of(place, {key.ref: bytes.fromhex(vector["DLK"])})

    assert hsm.authorise_load(key, load_of(vector)).value.hex().upper() == vector["MAC2"]


@tdes_loads
@pytest.mark.parametrize("bit", range(32))
def test_mac1_wrong_in_any_bit_gives_no_mac2(place: TokenPlace, vector: dict[str, str], bit: int) -> None:
    key = CardKey(KeyRef(KeyRole.LOAD, "vectors", 1, Algorithm.TDES), ())
    hsm = hsm_of(place, {key.ref: bytes.fromhex(vector["DLK"])})
    load = load_of(vector)
    flipped = int.from_bytes(load.answer.mac1.value, "big") ^ 1 << bit
    forged = replace(load, answer=replace(load.answer, mac1=Mac4(flipped.to_bytes(4, "big"))))

    with pytest.raises(Mac1Wrong):
        hsm.authorise_load(key, forged)
    with pytest.raises(Mac1Wrong):
        hsm.check_mac1(key, forged)


def test_a_load_of_a_diversified_key_and_its_tac_are_those_of_the_vector(place: TokenPlace) -> None:
    vector = next(load for load in PURSE["load"] if load["name"] == "load_3DES")
    diversified = next(each for each in PURSE["diversify"] if each["alg"] == "3DES")
    keys = {
        role: CardKey(
            KeyRef(role, "vectors", 1, Algorithm.TDES),
            tuple(map(bytes.fromhex, diversified[name]["factors"])),
        )
        for role, name in ((KeyRole.LOAD, "load"), (KeyRole.TAC, "tac"))
    }
    hsm = hsm_of(
        place,
        {
            keys[KeyRole.LOAD].ref: bytes.fromhex(diversified["load"]["MK"]),
            keys[KeyRole.TAC].ref: bytes.fromhex(diversified["tac"]["MK"]),
        },
    )

    mac2 = hsm.authorise_load(keys[KeyRole.LOAD], load_of(vector))
    hsm.verify_tac(keys[KeyRole.TAC], load_of(vector), Mac4(bytes.fromhex(vector["TAC"])))

    assert mac2.value.hex().upper() == vector["MAC2"]


def test_external_authenticate_is_that_of_the_chip(place: TokenPlace) -> None:
    vector = next(each for each in PURSE["secure_messaging"] if each["name"] == "external_authenticate")
    key = CardKey(KeyRef(KeyRole.CARD_CONTROL, "vectors", 1, Algorithm.TDES), ())
    hsm = hsm_of(place, {key.ref: bytes.fromhex(vector["key"])})

    assert hsm.external_auth(key, bytes.fromhex(vector["rand"])).hex().upper() == vector["out"]


@pytest.mark.parametrize(
    "vector",
    [each for each in PURSE["secure_messaging"] if "apdu_without_mac" in each],
    ids=lambda each: each["name"],
)
def test_a_command_mac_with_a_key_that_the_token_itself_holds_is_refused(
    place: TokenPlace, vector: dict[str, str]
) -> None:
    """Half of it would be needed; the differential tests cover derived keys."""
    key = CardKey(KeyRef(KeyRole.APP_MAINTENANCE, "vectors", 1, Algorithm.TDES), ())
    hsm = hsm_of(place, {key.ref: bytes.fromhex(vector["key"])})
    without_mac = bytes.fromhex(vector["apdu_without_mac"])

    with pytest.raises(KeyNeedsPath):
        hsm.secure_apdu(
            key,
            bytes.fromhex(vector["rand"]),
            Command.parse(without_mac[:4] + bytes((len(without_mac) - 5,)) + without_mac[5:]),
        )


@sessions
def test_a_recorded_session_is_opened_wrapped_and_unwrapped_alike(
    place: TokenPlace, vector: dict[str, Any]
) -> None:
    response = bytes.fromhex(vector["initialize_update_response"])
    request = request_of(vector, response)
    keys = {
        request.keys.key(role): bytes.fromhex(vector[name])
        for role, name in zip(ROLES, ("enc", "mac", "dek"), strict=True)
    }
    hsm = hsm_of(place, keys, wrapping=True)

    channel, authenticate = hsm.open_channel(request, response)
    channel, wrapped = hsm.wrap(
        channel, [Command.parse(bytes.fromhex(each["plain"])) for each in vector["commands"]]
    )
    plain = [
        hsm.unwrap(channel, wrapped[each["cmd"]].ticket, bytes.fromhex(each["wrapped"]) + b"\x90\x00")
        for each in vector["responses"]
    ]

    assert authenticate.hex() == vector["external_authenticate"].lower()
    assert [each.apdu.hex() for each in wrapped] == [each["wrapped"].lower() for each in vector["commands"]]
    assert [each.hex() for each in plain] == [each["plain"].lower() + "9000" for each in vector["responses"]]


@pytest.mark.parametrize(
    "vector",
    [each for each in CHANNELS["kdf"] if "keys_enc_mac_dek" in each],
    ids=lambda each: each["name"],
)
def test_diversified_keys_have_the_published_check_values(place: TokenPlace, vector: dict[str, Any]) -> None:
    scheme = Diversification(vector["scheme"])
    algorithm = Algorithm.AES128 if scheme is Diversification.KDF3 else Algorithm.TDES
    kcvs = diversified(
        place,
        scheme,
        algorithm,
        vector,
        lambda token, keys: tuple(kcv(token, key, algorithm) for key in keys),
    )

    assert [each.hex().upper() for each in kcvs] == vector["kcv"]


def test_a_diversified_key_of_32_bytes_is_that_of_the_vector(place: TokenPlace) -> None:
    vector = next(each for each in CHANNELS["kdf"] if "enc_key" in each)
    known = Cipher(SOFTWARE_AES(bytes.fromhex(vector["enc_key"])), modes.ECB()).encryptor().update(bytes(16))  # noqa: S305

    block = diversified(
        place,
        Diversification.KDF3,
        Algorithm.AES256,
        vector,
        lambda token, keys: token.public(keys.enc, AES, bytes(16)),
    )

    assert block == known


def test_session_keys_of_scp02_have_the_published_check_values(place: TokenPlace) -> None:
    vector = next(each for each in CHANNELS["kdf"] if each["scheme"] == "scp02-session")
    master = {"master": vector["static"], "kdd": "00" * 10}

    def kcvs(token: OpenToken, static: StaticKeys) -> dict[str, str]:
        keys = session02.session_keys(token, static, bytes(2))
        return {
            name: token.encipher(getattr(keys, name), TDES, bytes(8))[:3].hex().upper()
            for name in ("enc", "mac", "dek")
        }

    found = diversified(place, Diversification.NONE, Algorithm.TDES, master, kcvs)

    assert found == {name: vector["kcv"][name] for name in found}


def test_session_keys_of_scp03_have_the_published_check_values(place: TokenPlace) -> None:
    vector = next(each for each in CHANNELS["kdf"] if each["scheme"] == "scp03-session")
    master = {"master": vector["static"], "kdd": "00" * 10}

    def kcvs(token: OpenToken, static: StaticKeys) -> dict[str, str]:
        keys = session03.session_keys(token, static, 16, bytes.fromhex(vector["context"]))
        cmac_over_nothing = {name: token.cmac(getattr(keys, name), b"").hex() for name in ("mac", "rmac")}
        enc = token.encipher(keys.enc, AES, b"\x01" * 16)[:3].hex().upper()
        return {"enc": enc, **cmac_over_nothing}

    found = diversified(place, Diversification.NONE, Algorithm.AES128, master, kcvs, wrapping=True)

    assert found["enc"] == vector["kcv"]["enc"]
    assert found["mac"] == software_cmac(vector["session"]["mac"])
    assert found["rmac"] == software_cmac(vector["session"]["rmac"])


def diversified(
    place: TokenPlace,
    scheme: Diversification,
    algorithm: Algorithm,
    vector: dict[str, Any],
    look: Any,
    *,
    wrapping: bool = False,
) -> Any:
    keys = KeySetRef("vectors", 1, algorithm, scheme)
    session = session_of(
        place, {keys.key(role): bytes.fromhex(vector["master"]) for role in ROLES}, wrapping=wrapping
    )

    def work(token: OpenToken, masters: Masters) -> Any:
        found = {role: masters.get(keys.key(role)) for role in ROLES}
        return look(token, static_keys(token, scheme, found, bytes.fromhex(vector["kdd"])))

    return session.run(work)


def kcv(token: OpenToken, key: Handle, algorithm: Algorithm) -> bytes:
    """By its cipher where it derives, by wrapping a known block where it wraps."""
    if algorithm is Algorithm.TDES:
        return token.public(key, TDES, bytes(8))[:3]
    wraps = key[Attribute.WRAP]
    block = b"\x01" * 16
    return (token.wrap_known(key, AES, block) if wraps else token.public(key, AES, block))[:3]


def software_cmac(key: str) -> str:
    return CMAC(SOFTWARE_AES(bytes.fromhex(key))).finalize().hex()


def load_of(vector: dict[str, str]) -> Load:
    answer = LoadAnswer(
        int(vector["bal"], 16),
        int(vector["atc"], 16),
        1,
        0,
        bytes.fromhex(vector["rand"]),
        Mac4(bytes.fromhex(vector["MAC1"])),
    )
    return Load(
        Fen(int(vector["amount"], 16)),
        bytes.fromhex(vector["term"]),
        answer,
        CardTime(vector["dt"]),
        int(vector["type"], 16),
    )


def request_of(vector: dict[str, Any], response: bytes) -> ChannelRequest:
    challenge = bytes.fromhex(vector["initialize_update"])[5:13]
    if response[11] == SCP02:
        variant, algorithm = ScpVariant(SCP02, 0x15), Algorithm.TDES
    else:
        variant, algorithm = ScpVariant(SCP03, response[12]), ALGORITHMS[len(vector["enc"]) // 2]
    keys = KeySetRef("vectors", response[10], algorithm, Diversification.NONE)
    return ChannelRequest(keys, variant, vector["level"], challenge, bytes.fromhex("A000000151000000"))
