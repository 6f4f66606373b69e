"""Published keys and loads for the tests of the adapter, with their expected MACs from the reference."""

from __future__ import annotations

from dataclasses import replace

from ota.card.keys import Algorithm, KeyRole
from ota.card.purse import Load, LoadAnswer
from ota.core.values import CardTime, Fen, Mac4
from ota.hsm_adapter.keys import CardKey, KeyRef, Path
from ota.hsm_adapter.software import SoftwareHsm
from ota.hsm_adapter.software.memory import PublishedKeys
from tests.hsm_adapter import reference

PATH: Path = (bytes.fromhex("02205810FFFFFFFF"), bytes.fromhex("4870312345678906"))
MASTER = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")


def key_ref(role: KeyRole, algorithm: Algorithm = Algorithm.TDES, version: int = 1) -> KeyRef:
    return KeyRef(role, "province", version, algorithm)


def card_key(role: KeyRole, algorithm: Algorithm = Algorithm.TDES, path: Path = PATH) -> CardKey:
    return CardKey(key_ref(role, algorithm), path)


def an_hsm(master: bytes = MASTER) -> SoftwareHsm:
    """An HSM in memory with the same master for every card role of both algorithms."""
    return SoftwareHsm(
        PublishedKeys(
            {
                key_ref(role, algorithm): master
                for role in KeyRole
                for algorithm in (Algorithm.TDES, Algorithm.SM4)
            }
        )
    )


def a_load(
    algorithm: Algorithm = Algorithm.TDES,
    *,
    master: bytes = MASTER,
    path: Path = PATH,
    random: bytes = bytes.fromhex("A1B2C3D4"),
    atc: int = 7,
    balance: int = 1000,
    amount: int = 5000,
    terminal: bytes = bytes.fromhex("581000000001"),
) -> Load:
    """A load whose MAC1 a card with the path's key would have sent."""
    answer = LoadAnswer(balance, atc, 1, 0, random, Mac4(bytes(4)))
    load = Load(Fen(amount), terminal, answer, CardTime("20260101120000"))
    key = reference.diversified(algorithm, master, path)
    session = reference.session_key(algorithm, key, random, atc.to_bytes(2, "big"))
    data = balance.to_bytes(4, "big") + amount.to_bytes(4, "big") + b"\x02" + terminal
    mac1 = reference.trade_mac(algorithm, session, data)
    return replace(load, answer=replace(answer, mac1=Mac4(mac1)))


def expected_mac2(algorithm: Algorithm, load: Load, master: bytes = MASTER, path: Path = PATH) -> Mac4:
    key = reference.diversified(algorithm, master, path)
    session = reference.session_key(
        algorithm, key, load.answer.random, load.answer.online_atc.to_bytes(2, "big")
    )
    data = load.amount.amount.to_bytes(4, "big") + b"\x02" + load.terminal + bytes.fromhex("20260101120000")
    return Mac4(reference.trade_mac(algorithm, session, data))


def expected_tac(algorithm: Algorithm, load: Load, master: bytes = MASTER, path: Path = PATH) -> Mac4:
    key = reference.tac_key(algorithm, reference.diversified(algorithm, master, path))
    data = (
        (load.answer.balance_raw + load.amount.amount).to_bytes(4, "big")
        + load.answer.online_atc.to_bytes(2, "big")
        + load.amount.amount.to_bytes(4, "big")
        + b"\x02"
        + load.terminal
        + bytes.fromhex("20260101120000")
    )
    return Mac4(reference.trade_mac(algorithm, key, data))
