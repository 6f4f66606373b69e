"""The element's own channels reproduce the recorded sessions of tests/vectors/globalplatform.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ota.sandbox.element import KeySet
from ota.sandbox.element.apdu import Command
from ota.sandbox.element.chance import fixed
from ota.sandbox.element.channel import Opening, SecureChannel
from ota.sandbox.element.factory import diversify
from ota.sandbox.element.keys import key_check_value
from ota.sandbox.element.scp02 import Scp02, session_key
from ota.sandbox.element.scp03 import PSEUDO_RANDOM, Scp03, derive

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "globalplatform.json").read_text())
EUICC_DOMAIN = bytes.fromhex("A0000005591010FFFFFFFF8900000100")
ISSUER_DOMAIN = bytes.fromhex("A000000151000000")


def name(vector: dict[str, Any]) -> str:
    return str(vector["name"])


def key_set(vector: dict[str, Any], version: int = 0x30) -> KeySet:
    return KeySet(version, *(bytes.fromhex(vector[part]) for part in ("enc", "mac", "dek")))


def replay(channel: SecureChannel, vector: dict[str, Any]) -> None:
    """Open the session and take every command; protect the answers that were recorded."""
    channel.authenticate(Command.parse(bytes.fromhex(vector["external_authenticate"])))
    assert channel.level == vector["level"]
    answers = {each["cmd"]: each for each in vector["responses"]}
    for number, exchange in enumerate(vector["commands"]):
        plain = Command.parse(bytes.fromhex(exchange["plain"]))
        assert channel.unwrap(Command.parse(bytes.fromhex(exchange["wrapped"]))) == plain
        if number in answers:
            wrapped = channel.wrap(bytes.fromhex(answers[number]["plain"]), 0x9000)
            assert wrapped.hex() == answers[number]["wrapped"] + "9000"


@pytest.mark.parametrize("vector", VECTORS["scp02"], ids=name)
def test_a_recorded_scp02_session_is_reproduced(vector: dict[str, Any]) -> None:
    host = bytes.fromhex(vector["initialize_update"])[5:13]
    answer = bytes.fromhex(vector["initialize_update_response"])
    counter = int.from_bytes(answer[12:14], "big")

    channel = Scp02(Opening(key_set(vector), 0x15, ISSUER_DOMAIN, counter, host, fixed(answer[14:20])))

    assert channel.answer == answer[11:]
    replay(channel, vector)


@pytest.mark.parametrize("vector", VECTORS["scp03"], ids=name)
def test_a_recorded_scp03_session_is_reproduced(vector: dict[str, Any]) -> None:
    host = bytes.fromhex(vector["initialize_update"])[5:13]
    answer = bytes.fromhex(vector["initialize_update_response"])
    aid = ISSUER_DOMAIN if vector["name"].startswith("kaoh") else EUICC_DOMAIN
    i, counter = answer[12], int.from_bytes(answer[29:32], "big")
    if vector["name"] == "kaoh_send_apdu_rmac_rencryption":  # made up: its challenge belongs to no AID
        i &= ~PSEUDO_RANDOM

    channel = Scp03(Opening(key_set(vector), i, aid, counter, host, fixed(answer[13:21])))

    assert channel.answer[2:18] == answer[13:29]
    assert channel.answer[18:] in (answer[29:], b"")
    replay(channel, vector)


@pytest.mark.parametrize(
    "vector",
    [each for each in VECTORS["kdf"] if each["scheme"] in ("visa2", "kdf3")],
    ids=name,
)
def test_the_factory_derives_card_keys_as_others_do(vector: dict[str, Any]) -> None:
    master = bytes.fromhex(vector["master"])
    version = 0x20 if vector["scheme"] == "visa2" else 0x30

    made = diversify(KeySet(version, master, master, master), bytes.fromhex(vector["kdd"]))

    expected = vector.get("keys_enc_mac_dek", [vector.get("enc_key")])
    assert [key.hex() for key in made.triple[: len(expected)]] == expected
    check_values = [key_check_value(key, is_aes=version != 0x20).hex().upper() for key in made.triple]
    assert check_values == vector.get("kcv", check_values)


def test_scp02_session_keys_match_the_published_ones() -> None:
    vector = next(each for each in VECTORS["kdf"] if each["scheme"] == "scp02-session")
    constants = {"enc": "0182", "mac": "0101", "dek": "0181", "rmac": "0102"}

    made = {
        part: session_key(bytes.fromhex(vector["static"]), bytes.fromhex(constant), 0).hex()
        for part, constant in constants.items()
    }

    assert made == vector["session"]


def test_scp03_session_keys_match_the_published_ones() -> None:
    vector = next(each for each in VECTORS["kdf"] if each["scheme"] == "scp03-session")
    static, context = bytes.fromhex(vector["static"]), bytes.fromhex(vector["context"])

    made = {
        part: derive(static, constant, 16, context).hex()
        for part, constant in {"enc": 4, "mac": 6, "rmac": 7}.items()
    }

    assert made == vector["session"]
