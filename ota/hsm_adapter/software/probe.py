"""The start-up probe: every operation is run through the port on published keys and compared with a known answer.

What a token says it can do is not believed (HSM.md). The answers are those of the recorded and published vectors;
where none covers an operation, of an implementation that shares nothing with this one.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

from ota.card.apdu import Command
from ota.card.keys import Algorithm, KeyRole
from ota.card.purse import Load, LoadAnswer
from ota.core.errors import OtaError
from ota.core.values import CardTime, Fen, Mac4
from ota.hsm_adapter.errors import Mac1Wrong, TacWrong
from ota.hsm_adapter.keys import CARD_ALGORITHMS, CardKey, KeyRef, Path
from ota.hsm_adapter.ports import KeyWriting, Operation
from ota.hsm_adapter.software import probe_channels

if TYPE_CHECKING:
    from collections.abc import Callable

    from ota.hsm_adapter.ports import Hsm

    Check = Callable[[Hsm], bool]

_OWNER: Final = "probe"
_PATH: Final = (bytes.fromhex("02205810FFFFFFFF"), bytes.fromhex("4870312345678906"))

_KEYS: Final = {
    KeyRole.LOAD: "0123456789ABCDEFFEDCBA9876543210",
    KeyRole.TAC: "89ABCDEF0123456776543210FEDCBA98",
    KeyRole.CARD_CONTROL: "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF",
    KeyRole.CARD_MAINTENANCE: "D03A01624D2E0255E5CE47218BA45DC8",
    KeyRole.APP_BLOCK: "6474215EF549707831BB8DB9895FD48A",
    KeyRole.SPARE: "0123456789ABCDEFFEDCBA9876543210",
}
_LOADS: Final = {  # MAC1, MAC2, TAC
    Algorithm.TDES: ("3EF66078", "FD4D60F5", "E64E6557"),
    Algorithm.SM4: ("D48E1CCF", "C21A82E5", "07C9C776"),
}
_EXTERNAL_AUTH: Final = {
    Algorithm.TDES: (KeyRole.CARD_CONTROL, "CB1693339A342336"),
    Algorithm.SM4: (KeyRole.SPARE, "BD8BF77C098446B2"),
}
_BLOCK: Final = {  # random, MAC of 841E000004
    Algorithm.TDES: (KeyRole.APP_BLOCK, "1EA2B2E6", "A86CC6A8"),
    Algorithm.SM4: (KeyRole.SPARE, "19393A92", "89D581DB"),
}
_WRITE_KEY: Final = {  # key, wrapping key, where to, command
    Algorithm.TDES: (
        KeyRole.CARD_MAINTENANCE,
        KeyRole.CARD_CONTROL,
        KeyWriting(0x39, 0x00, bytes.fromhex("01003300")),
        "84D439001C7B9864710732C21C8BB314B67CC4B6C352C518AA7305D7FF6B72FE30",
    ),
    Algorithm.SM4: (
        KeyRole.SPARE,
        KeyRole.SPARE,
        KeyWriting(0x00, 0x00, bytes.fromhex("41010400")),
        "84D400002465AE850155C12F1AD047F54BB26AB1656E856DF06569A93463E27469282D7DAAA0303DCA",
    ),
}
_KCVS: Final = {Algorithm.TDES: "08D7B4", Algorithm.SM4: "2677F4"}


def probe_keys() -> dict[KeyRef, bytes]:
    """The published keys that the probe names."""
    purse = {
        KeyRef(role, _OWNER, 1, algorithm): bytes.fromhex(value)
        for role, value in _KEYS.items()
        for algorithm in CARD_ALGORITHMS
    }
    return {**purse, **probe_channels.keys()}


def probe(hsm: Hsm) -> frozenset[tuple[Operation, Algorithm]]:
    """Which operations gave the known answer, for which algorithms; one that fails is just not among them."""
    passed = set()
    for what, check in _checks().items():
        with suppress(OtaError):
            if check(hsm):
                passed.add(what)
    return frozenset(passed)


def _checks() -> dict[tuple[Operation, Algorithm], Check]:
    verbs = {
        Operation.AUTHORISE_LOAD: _authorises,
        Operation.CHECK_MAC1: _checks_mac1,
        Operation.VERIFY_TAC: _verifies_tac,
        Operation.EXTERNAL_AUTH: _authenticates,
        Operation.SECURE_APDU: _secures,
        Operation.WRITE_KEY: _writes_key,
        Operation.KCV: _knows_kcv,
    }
    checks: dict[tuple[Operation, Algorithm], Check] = {
        (operation, algorithm): partial(check, algorithm)
        for operation, check in verbs.items()
        for algorithm in CARD_ALGORITHMS
    }
    for algorithm in CARD_ALGORITHMS:
        key = _key(KeyRole.SPARE, algorithm)
        checks[Operation.EXPORT_CARD_KEY, algorithm] = partial(probe_channels.exports, key)
    for algorithm in probe_channels.ALGORITHMS:
        checks[Operation.OPEN_CHANNEL, algorithm] = partial(probe_channels.opens, algorithm)
    return checks


def _authorises(algorithm: Algorithm, hsm: Hsm) -> bool:
    right, mac2, _ = _LOADS[algorithm]
    key = _key(KeyRole.LOAD, algorithm, _PATH)
    answers = hsm.authorise_loads([(key, _load(right)), (key, _load("00000000"))])
    return answers[0] == _mac(mac2) and isinstance(answers[1], Mac1Wrong)


def _checks_mac1(algorithm: Algorithm, hsm: Hsm) -> bool:
    key = _key(KeyRole.LOAD, algorithm, _PATH)
    hsm.check_mac1(key, _load(_LOADS[algorithm][0]))
    with suppress(Mac1Wrong):
        hsm.check_mac1(key, _load("00000000"))
        return False
    return True


def _verifies_tac(algorithm: Algorithm, hsm: Hsm) -> bool:
    mac1, _, tac = _LOADS[algorithm]
    key = _key(KeyRole.TAC, algorithm, _PATH)
    hsm.verify_tac(key, _load(mac1), _mac(tac))
    with suppress(TacWrong):
        hsm.verify_tac(key, _load(mac1), _mac("00000000"))
        return False
    return True


def _authenticates(algorithm: Algorithm, hsm: Hsm) -> bool:
    role, cryptogram = _EXTERNAL_AUTH[algorithm]
    return hsm.external_auth(_key(role, algorithm), bytes.fromhex("DCE8F511")) == bytes.fromhex(cryptogram)


def _secures(algorithm: Algorithm, hsm: Hsm) -> bool:
    role, random, mac = _BLOCK[algorithm]
    secured = hsm.secure_apdu(_key(role, algorithm), bytes.fromhex(random), Command(0x84, 0x1E, 0x00, 0x00))
    return secured.data == bytes.fromhex(mac)


def _writes_key(algorithm: Algorithm, hsm: Hsm) -> bool:
    role, wrapping, writing, expected = _WRITE_KEY[algorithm]
    random = bytes.fromhex("19393A92")
    command = hsm.write_key(_key(role, algorithm), _key(wrapping, algorithm), random, writing)
    return command.encode() == bytes.fromhex(expected)


def _knows_kcv(algorithm: Algorithm, hsm: Hsm) -> bool:
    return hsm.kcv(_key(KeyRole.SPARE, algorithm)) == bytes.fromhex(_KCVS[algorithm])


def _key(role: KeyRole, algorithm: Algorithm, path: Path = ()) -> CardKey:
    return CardKey(KeyRef(role, _OWNER, 1, algorithm), path)


def _load(mac1: str) -> Load:
    answer = LoadAnswer(1000, 7, 1, 0, bytes.fromhex("A1B2C3D4"), _mac(mac1))
    return Load(Fen(5000), bytes.fromhex("581000000001"), answer, CardTime("20260101120000"))


def _mac(value: str) -> Mac4:
    return Mac4(bytes.fromhex(value))


PROBED: Final = frozenset(_checks())
"""Everything that is probed."""
