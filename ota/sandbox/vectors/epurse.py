"""Vectors of the e-purse: loads, diversification, secure messaging."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Final

from ota.card.apdu import Command
from ota.card.keys import Algorithm, KeyRole
from ota.card.purse import Load, LoadAnswer
from ota.core.errors import IntegrityProblem
from ota.core.values import CardTime, Fen, Mac4
from ota.hsm_adapter.keys import CardKey, KeyRef
from ota.hsm_adapter.ports import KeyWriting
from ota.hsm_adapter.software import EPurseRules, SoftwareHsm
from ota.hsm_adapter.software.ciphers import CbcMac
from ota.hsm_adapter.software.diversify import card_key
from ota.hsm_adapter.software.epurse import session_key, tac_key
from ota.hsm_adapter.software.memory import PublishedKeys
from ota.sandbox.vectors.reading import Failure, Vector

_RULES: Final = EPurseRules()
_KEY_LENGTH: Final = 16
_NEEDED: Final = {
    "SESLK": ("rand", "atc"),
    "MAC1": ("rand", "atc", "bal", "amount", "type", "term"),
    "MAC2": ("rand", "atc", "amount", "type", "term", "dt"),
}
_TAC_NEEDS: Final = ("bal", "atc", "amount", "type", "term", "dt")
_LOAD_INPUTS: Final = ("alg", "DLK", "DTK", "rand", "atc", "bal", "amount", "type", "term", "dt")
_WRITE_KEY_HEADERS: Final = {Algorithm.TDES: "01003300", Algorithm.SM4: "41010400"}  # CARD.md 2.6


def check_load(vector: Vector) -> None:
    """SESLK, MAC1, MAC2, TAC_KEY and TAC of one load."""
    vector.allow(*_LOAD_INPUTS)
    algorithm = vector.algorithm()
    present = [output for output in _NEEDED if vector.has(output)]
    if present:
        _check_macs(vector, algorithm, {name for output in present for name in _NEEDED[output]})
    if vector.has("TAC_KEY"):
        vector.same("TAC_KEY", tac_key(algorithm, vector.data("DTK", _KEY_LENGTH), _RULES))
    if vector.has("TAC"):
        _check_tac(vector, algorithm)


def check_diversification(vector: Vector) -> None:
    """The key after each level, for the load and for the TAC key."""
    algorithm = vector.algorithm()
    for name, role in (("load", KeyRole.LOAD), ("tac", KeyRole.TAC)):
        if vector.has(name):
            _check_levels(vector.part(name), algorithm, role)


def check_secure_messaging(vector: Vector) -> None:
    """EXTERNAL AUTHENTICATE, WRITE KEY, or a command's MAC, told apart by the fields."""
    algorithm = vector.algorithm()
    if vector.has("wrap"):
        _check_write_key(vector, algorithm)
    elif vector.has("apdu_without_mac"):
        _check_command_mac(vector, algorithm)
    else:
        hsm, key = _hsm(KeyRole.CARD_CONTROL, algorithm, vector.data("key", _KEY_LENGTH))
        vector.same("out", hsm.external_auth(key, vector.data("rand")))


def _check_macs(vector: Vector, algorithm: Algorithm, needed: Collection[str]) -> None:
    raw = vector.data("DLK", _KEY_LENGTH)
    load = _load(vector, needed)
    session = session_key(algorithm, raw, load.session_seed, _RULES)
    vector.same("SESLK", session)
    hsm, key = _hsm(KeyRole.LOAD, algorithm, raw)
    if vector.has("MAC1"):
        vector.holds("MAC1", _accepts(lambda: hsm.check_mac1(key, load)))
    else:  # MAC2 is made for a right MAC1 only
        right = Mac4(CbcMac(algorithm, session).mac(load.mac1_data))
        load = replace(load, answer=replace(load.answer, mac1=right))
    if vector.has("MAC2"):
        vector.same("MAC2", hsm.authorise_load(key, load).value)


def _check_tac(vector: Vector, algorithm: Algorithm) -> None:
    hsm, key = _hsm(KeyRole.TAC, algorithm, vector.data("DTK", _KEY_LENGTH))
    load, tac = _load(vector, _TAC_NEEDS), Mac4(vector.data("TAC", 4))
    vector.holds("TAC", _accepts(lambda: hsm.verify_tac(key, load, tac)))


def _check_levels(vector: Vector, algorithm: Algorithm, role: KeyRole) -> None:
    master, factors, keys = vector.data("MK", _KEY_LENGTH), vector.datas("factors"), vector.datas("out")
    if len(keys) > len(factors):
        raise Failure("out: expected one key per factor")
    for level, expected in enumerate(keys, start=1):
        path = tuple(factors[:level])
        hsm, key = _hsm(role, algorithm, master, path)
        derived = card_key(algorithm, master, path)
        vector.holds(f"out[{level - 1}]", derived == expected)
        named, alone = hsm.kcv(key), _hsm(role, algorithm, expected)
        vector.holds(f"out[{level - 1}]", named == alone[0].kcv(alone[1]))


def _check_write_key(vector: Vector, algorithm: Algorithm) -> None:
    command = Command.parse(vector.data("apdu"))
    header = (
        vector.data("header", 4) if vector.has("header") else bytes.fromhex(_WRITE_KEY_HEADERS[algorithm])
    )
    key, under = _ref(KeyRole.CARD_CONTROL, algorithm), _ref(KeyRole.APP_CONTROL, algorithm)
    hsm = SoftwareHsm(
        PublishedKeys({key: vector.data("key", _KEY_LENGTH), under: vector.data("wrap", _KEY_LENGTH)})
    )
    writing = KeyWriting(command.p1, command.p2, header)
    made = hsm.write_key(CardKey(key, ()), CardKey(under, ()), vector.data("rand"), writing)
    vector.same("apdu", made.encode())


def _check_command_mac(vector: Vector, algorithm: Algorithm) -> None:
    raw = vector.data("apdu_without_mac")
    if len(raw) < 5 or raw[4] != len(raw) - 5 + 4:
        raise Failure("apdu_without_mac: expected a header, Lc that counts the MAC in, and the data")
    command = Command(raw[0], raw[1], raw[2], raw[3], raw[5:])
    hsm, key = _hsm(KeyRole.APP_MAINTENANCE, algorithm, vector.data("key", _KEY_LENGTH))
    secured = hsm.secure_apdu(key, vector.data("rand"), command).encode()
    if vector.has("mac"):
        vector.holds("mac", secured == raw + vector.data("mac", 4))


def _load(vector: Vector, needed: Collection[str]) -> Load:
    """The load that a vector tells of; fields that nothing needs may be absent."""

    def field(name: str, length: int) -> bytes:
        return vector.data(name, length) if name in needed or vector.has(name) else bytes(length)

    answer = LoadAnswer(
        balance_raw=int.from_bytes(field("bal", 4), "big"),
        online_atc=int.from_bytes(field("atc", 2), "big"),
        key_version=1,
        algorithm_id=0,
        random=field("rand", 4),
        mac1=Mac4(field("MAC1", 4)),
    )
    return Load(
        amount=Fen(int.from_bytes(field("amount", 4), "big")),
        terminal=field("term", 6),
        answer=answer,
        at=CardTime(vector.text("dt")) if "dt" in needed else None,
        transaction_type=field("type", 1)[0],
    )


def _accepts(check: Callable[[], None]) -> bool:
    try:
        check()
    except IntegrityProblem:
        return False
    return True


def _hsm(
    role: KeyRole, algorithm: Algorithm, key: bytes, path: tuple[bytes, ...] = ()
) -> tuple[SoftwareHsm, CardKey]:
    ref = _ref(role, algorithm)
    return SoftwareHsm(PublishedKeys({ref: key})), CardKey(ref, path)


def _ref(role: KeyRole, algorithm: Algorithm) -> KeyRef:
    return KeyRef(role, "vectors", 1, algorithm)
