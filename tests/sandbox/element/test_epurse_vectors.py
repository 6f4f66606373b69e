"""The element's own purse cryptography reproduces tests/vectors/epurse.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ota.sandbox.element import Algorithm
from ota.sandbox.element import purse_crypto as pc
from ota.sandbox.element.key_update import read_wrapped_key

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "epurse.json").read_text())
MESSAGING = {each["name"]: each for each in VECTORS["secure_messaging"]}


@pytest.mark.parametrize("vector", VECTORS["load"], ids=lambda vector: vector["name"])
def test_a_load_is_reproduced(vector: dict[str, Any]) -> None:
    algorithm = Algorithm.TDES if vector["alg"] == "3DES" else Algorithm.SM4
    seed = bytes.fromhex(vector["rand"] + vector["atc"] + "8000")
    context, at = bytes.fromhex(vector["amount"] + vector["type"] + vector["term"]), vector["dt"]

    session_key = pc.session_key(algorithm, bytes.fromhex(vector["DLK"]), seed)

    assert session_key.hex().upper() == vector["SESLK"]
    mac1 = pc.transaction_mac(algorithm, session_key, bytes.fromhex(vector["bal"]) + context)
    mac2 = pc.transaction_mac(algorithm, session_key, context + bytes.fromhex(at))
    assert (mac1.hex().upper(), mac2.hex().upper()) == (vector["MAC1"], vector["MAC2"])


@pytest.mark.parametrize(
    "vector", [each for each in VECTORS["load"] if "TAC" in each], ids=lambda vector: vector["name"]
)
def test_a_tac_is_reproduced(vector: dict[str, Any]) -> None:
    algorithm = Algorithm.TDES if vector["alg"] == "3DES" else Algorithm.SM4
    after = int(vector["bal"], 16) + int(vector["amount"], 16)
    data = f"{after:08X}{vector['atc']}{vector['amount']}{vector['type']}{vector['term']}{vector['dt']}"

    key = pc.tac_key(algorithm, bytes.fromhex(vector["DTK"]), sm4_xor=False)

    assert key.hex().upper() == vector.get("TAC_KEY", key.hex().upper())
    assert pc.transaction_mac(algorithm, key, bytes.fromhex(data)).hex().upper() == vector["TAC"]


def test_external_authenticate_is_reproduced() -> None:
    vector = MESSAGING["external_authenticate"]

    made = pc.authentication(Algorithm.TDES, bytes.fromhex(vector["key"]), bytes.fromhex(vector["rand"]))

    assert made.hex().upper() == vector["out"]


@pytest.mark.parametrize("name", ["update_binary_ef15", "application_block"])
def test_a_command_mac_is_reproduced(name: str) -> None:
    vector = MESSAGING[name]
    key, random = bytes.fromhex(vector["key"]), bytes.fromhex(vector["rand"])

    made = pc.command_mac(Algorithm.TDES, key, random, bytes.fromhex(vector["apdu_without_mac"]))

    assert made.hex().upper() == vector["mac"]


def test_a_recorded_key_update_is_read() -> None:
    vector = MESSAGING["write_key_card_control"]
    apdu, wrap = bytes.fromhex(vector["apdu"]), bytes.fromhex(vector["wrap"])

    mac = pc.command_mac(Algorithm.TDES, wrap, bytes.fromhex(vector["rand"]), apdu[:-4])
    version, key = read_wrapped_key(Algorithm.TDES, wrap, apdu[5:-4])

    assert (mac, version, key.hex().upper()) == (apdu[-4:], 1, vector["key"])
