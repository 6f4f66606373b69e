"""One process of the token's benchmark: reads the PIN, then how many seconds to load, and says how many a second."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from ota.card.keys import Algorithm, KeyRole
from ota.card.purse import Load, LoadAnswer
from ota.core.values import CardTime, Fen, Mac4
from ota.hsm_adapter.keys import CardKey, KeyRef
from ota.hsm_adapter.pkcs11 import Pkcs11Hsm, TokenPlace
from ota.hsm_adapter.pkcs11.administration import TokenKeys

BATCH = 100
REF = KeyRef(KeyRole.LOAD, "province", 1, Algorithm.TDES)
MASTERS = {REF: bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")}
KEY = CardKey(REF, (bytes.fromhex("02205810FFFFFFFF"), bytes.fromhex("4870312345678906")))
LOAD = Load(
    Fen(5000),
    bytes.fromhex("581000000001"),
    LoadAnswer(1000, 7, 1, 0, bytes.fromhex("A1B2C3D4"), Mac4(bytes.fromhex("3EF66078"))),
    CardTime("20260101120000"),
)


def provision(place: TokenPlace) -> None:
    """Put the benchmark's published key on a token."""
    TokenKeys(place, environment="sandbox").add(MASTERS, test=True)


def main(module: str, label: str) -> None:
    """Serve until the standard input ends."""
    pin = sys.stdin.readline().strip()
    hsm = Pkcs11Hsm.open(TokenPlace(Path(module), label, typed_pin=lambda: pin), environment="sandbox")
    hsm.authorise_load(KEY, LOAD)
    print(0.0, flush=True)
    for line in sys.stdin:
        print(_loads_a_second(hsm, float(line)), flush=True)


def _loads_a_second(hsm: Pkcs11Hsm, seconds: float) -> float:
    loads, begin = 0, time.perf_counter()
    while (passed := time.perf_counter() - begin) < seconds:
        hsm.authorise_loads([(KEY, LOAD)] * BATCH)
        loads += BATCH
    return loads / passed


if __name__ == "__main__":
    main(*sys.argv[1:])
