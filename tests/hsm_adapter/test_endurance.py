"""The software HSM under threads, over many operations, and killed while its keys are being changed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from ota.card.keys import Algorithm, KeyRole
from ota.card.purse import Load
from ota.core.values import Mac4
from ota.hsm_adapter.errors import Mac1Wrong
from ota.hsm_adapter.keys import CardKey
from ota.hsm_adapter.software import KeyStore, SoftwareHsm
from tests.hsm_adapter.keyring import PATH, a_load, an_hsm, card_key, expected_mac2

ROOT = Path(__file__).parents[2]
THREADS = 8
OPERATIONS = int(os.environ.get("OTA_TEST_THREAD_OPERATIONS", "150"))
"""Of each thread; the figure that is shown is for 8,000."""
LOADS = int(os.environ.get("OTA_TEST_MEMORY_LOADS", "6000"))
"""How many loads the memory is watched over; the figure that is shown is for 200,000."""
MOST_KIB = 4096


@pytest.mark.timeout(900)
def test_many_threads_at_once_get_no_wrong_answer() -> None:
    hsm = an_hsm()

    with ThreadPoolExecutor(THREADS) as pool:
        wrong = list(pool.map(lambda thread: wrong_answers(hsm, thread), range(THREADS)))

    assert wrong == [0] * THREADS


def wrong_answers(hsm: SoftwareHsm, thread: int) -> int:
    """Loads of both algorithms, of cities and cards of this thread's own and of everybody's, every seventh forged."""
    wrong = 0
    for number in range(OPERATIONS):
        algorithm = (Algorithm.TDES, Algorithm.SM4)[number % 2]
        city = PATH[0] if number % 3 else bytes([number % 40]) * 8
        path = (city, (thread << 32 | number % 50).to_bytes(8, "big"))
        key, load = (
            card_key(KeyRole.LOAD, algorithm, path),
            a_load(algorithm, path=path, atc=number % 0x10000),
        )
        if number % 7:
            wrong += hsm.authorise_load(key, load) != expected_mac2(algorithm, load, path=path)
        else:
            wrong += not is_refused(hsm, key, load)
    return wrong


def is_refused(hsm: SoftwareHsm, key: CardKey, load: Load) -> bool:
    try:
        hsm.authorise_load(key, replace(load, answer=replace(load.answer, mac1=Mac4(bytes(4)))))
    except Mac1Wrong:
        return True
    return False


MANY_LOADS = """
import sys
from pathlib import Path
from ota.card.keys import KeyRole
from tests.hsm_adapter.keyring import PATH, a_load, an_hsm, card_key

def resident_kib():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4

hsm, key, load = an_hsm(), card_key(KeyRole.LOAD), a_load()
cities = [card_key(KeyRole.LOAD, path=(bytes([city]) * 8, PATH[1])) for city in range(64)]
loads = [a_load(path=each.path) for each in cities]
def work(count):
    for number in range(count):
        hsm.authorise_load(cities[number % 64], loads[number % 64])
work(2000)
before = resident_kib()
work(int(sys.argv[1]))
print(resident_kib() - before)
"""


@pytest.mark.timeout(900)
def test_memory_stays_flat_over_many_loads() -> None:
    told = run(MANY_LOADS, str(LOADS))

    assert int(told) < MOST_KIB


CHANGES_FOR_EVER = """
import itertools, sys
from pathlib import Path
from ota.card.keys import KeyRole
from ota.hsm_adapter.keys import KeyRef, KeyState
from ota.hsm_adapter.software import KeyStore
from tests.hsm_adapter.keyring import key_ref

store = KeyStore(Path(sys.argv[1]), environment="sandbox")
for number in itertools.count():
    ref = key_ref(KeyRole.LOAD, version=number % 256)
    if number < 256:
        store.add({ref: bytes([number]) * 15 + b"k"}, test=True)
    else:
        store.change_state(ref, tuple(KeyState)[number // 256 + 1])
    print(store.generation, flush=True)
"""


@pytest.mark.parametrize("changes", [1, 4, 9])
def test_a_process_killed_while_it_changes_keys_leaves_a_store_that_opens(
    tmp_path: Path, changes: int
) -> None:
    victim = start(CHANGES_FOR_EVER, str(tmp_path))
    assert victim.stdout is not None
    told = [int(victim.stdout.readline()) for _ in range(changes)]

    victim.send_signal(signal.SIGKILL)
    rest = victim.stdout.read()
    victim.stdout.close()
    victim.wait(30)

    store = KeyStore(tmp_path, environment="sandbox")
    last = ([*told, *map(int, rest.split())])[-1]
    assert store.generation in (last, last + 1)
    assert len(store.entries()) == store.generation
    assert all(bytes(store.opened(entry.ref)).endswith(b"k") for entry in store.entries())


def start(program: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )


def run(program: str, *arguments: str) -> str:
    process = start(program, *arguments)
    told, _ = process.communicate(timeout=800)
    assert process.returncode == 0
    return told
