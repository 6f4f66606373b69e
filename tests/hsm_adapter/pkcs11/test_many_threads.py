from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from ota.card.keys import Algorithm, KeyRole
from ota.card.purse import Load
from ota.core.values import Mac4
from ota.hsm_adapter.errors import Mac1Wrong
from ota.hsm_adapter.keys import CardKey
from ota.hsm_adapter.pkcs11 import Pkcs11Hsm
from tests.hsm_adapter.keyring import PATH, a_load, card_key, expected_mac2

THREADS = 8
OPERATIONS = int(os.environ.get("OTA_TEST_THREAD_OPERATIONS", "150"))
"""Of each thread; the figure that is shown is for 8,000."""


def test_many_threads_at_once_get_no_wrong_answer(strict: Pkcs11Hsm) -> None:
    with ThreadPoolExecutor(THREADS) as pool:
        wrong = list(pool.map(lambda thread: _wrong_answers(strict, thread), range(THREADS)))

    assert wrong == [[]] * THREADS


def _wrong_answers(hsm: Pkcs11Hsm, thread: int) -> Sequence[str]:
    """Loads of cards of this thread's own, every seventh forged, check values and MACs in between."""
    wrong = []
    for number in range(OPERATIONS):
        path = (PATH[0], (thread << 32 | number % 50).to_bytes(8, "big"))
        key, load = card_key(KeyRole.LOAD, path=path), a_load(path=path, atc=number % 0x10000)
        if number % 7:
            right = hsm.authorise_load(key, load) == expected_mac2(Algorithm.TDES, load, path=path)
        else:
            right = _is_refused(hsm, key, load)
        if not right:
            wrong.append(f"thread {thread}, operation {number}")
    return wrong


def _is_refused(hsm: Pkcs11Hsm, key: CardKey, load: Load) -> bool:
    forged = replace(load, answer=replace(load.answer, mac1=Mac4(bytes(4))))
    try:
        hsm.authorise_load(key, forged)
    except Mac1Wrong:
        return True
    return False
