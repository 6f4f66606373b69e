"""Does a thousand operations with a load that was made elsewhere, says so, and waits to be looked at from outside."""

from __future__ import annotations

import sys

from ota.card.keys import Algorithm, KeyRole
from ota.card.purse import Load, LoadAnswer
from ota.core.values import CardTime, Fen
from ota.hsm_adapter.keys import CardKey, KeyRef
from tests.hsm_adapter.pkcs11.programs.opened import ARGUMENTS, opened, say

TERMINAL = bytes.fromhex("581000000001")

if __name__ == "__main__":
    answer, first, second, canary = map(bytes.fromhex, ARGUMENTS)
    hsm = opened()
    key = CardKey(KeyRef(KeyRole.LOAD, "province", 1, Algorithm.TDES), (first, second))
    load = Load(Fen(5000), TERMINAL, LoadAnswer.parse(answer), CardTime("20260101120000"))
    for _ in range(500):
        hsm.check_mac1(key, load)
        hsm.authorise_load(key, load)
    say("ready")
    sys.stdin.readline()
    assert canary
