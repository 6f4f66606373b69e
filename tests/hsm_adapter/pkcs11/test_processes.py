"""A token and the processes that use it: forked, killed, ended; their memory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ota.card.keys import Algorithm, KeyRole
from ota.hsm_adapter.pkcs11 import Pkcs11Hsm, TokenPlace
from ota.hsm_adapter.software.published import sandbox_master
from tests.hsm_adapter import reference
from tests.hsm_adapter.keyring import PATH, a_load, card_key, expected_mac2

MASTER = sandbox_master(KeyRole.LOAD, Algorithm.TDES)
PROGRAMS = "tests.hsm_adapter.pkcs11.programs"
LOADS = int(os.environ.get("OTA_TEST_MEMORY_LOADS", "6000"))
"""How many loads the memory is watched over; the figure that is shown is for 200,000."""


def test_a_forked_process_starts_the_library_anew(provisioned: TokenPlace) -> None:
    told = run("forked", provisioned)

    assert told == ["child 1 True", "child 2 True", "parent True"]


def test_a_killed_process_leaves_the_token_as_it_was(provisioned: TokenPlace) -> None:
    load = a_load(master=MASTER)
    victim = start("endless", provisioned)
    assert victim.stdout is not None
    assert victim.stdout.readline() == "working\n"

    victim.send_signal(signal.SIGKILL)
    assert victim.wait(20) == -signal.SIGKILL
    victim.communicate()

    hsm = Pkcs11Hsm.open(provisioned, environment="sandbox")
    assert hsm.authorise_load(card_key(KeyRole.LOAD), load) == expected_mac2(Algorithm.TDES, load, MASTER)
    assert hsm.health().detail.startswith("40 keys")


@pytest.mark.timeout(900)
def test_memory_stays_flat_over_many_loads(provisioned: TokenPlace) -> None:
    (told,) = run("many_loads", provisioned, str(LOADS))

    grown_kib = int(told)
    assert grown_kib < 4096


def test_between_operations_no_key_is_in_the_memory_of_the_process(provisioned: TokenPlace) -> None:
    """Master, city, card and session keys of loads, as they are and with their parity made odd."""
    load = a_load(master=MASTER)
    card = reference.diversified("3DES", MASTER, PATH)
    keys = {
        "master": MASTER,
        "city": reference.diversified("3DES", MASTER, PATH[:1]),
        "card": card,
        "session": reference.session_key("3DES", card, load.answer.random, (7).to_bytes(2, "big")) * 2,
        "canary": bytes.fromhex("C0FFEE00DECAFBAD0123456789ABCDEF"),
    }
    answer = (1000).to_bytes(4, "big") + (7).to_bytes(2, "big") + b"\x01\x00" + load.answer.random
    told = [(answer + load.answer.mac1.value).hex(), *(factor.hex() for factor in PATH), keys["canary"].hex()]
    process = start("waiting", provisioned, *told)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"

    memory = _memory(process.pid)
    process.communicate("\n", timeout=60)

    assert {name for name, key in keys.items() if key in memory or _odd(key) in memory} == {"canary"}


def test_a_process_that_ends_lets_the_library_go(provisioned: TokenPlace) -> None:
    """At the interpreter's end the library would otherwise be finalised by another thread than the token's."""
    assert run("ends", provisioned) == ["finalised by pkcs11"]


def start(program: str, place: TokenPlace, *arguments: str) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-m",
        f"{PROGRAMS}.{program}",
        str(place.module),
        place.label,
        str(place.pin_file),
    ]
    return subprocess.Popen(
        [*command, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )


def run(program: str, place: TokenPlace, *arguments: str) -> list[str]:
    process = start(program, place, *arguments)
    told, _ = process.communicate(timeout=600)
    assert process.returncode == 0
    return told.splitlines()


def _memory(process: int) -> bytes:
    """Everything that the process may write to and read, as one value."""
    regions = []
    with Path(f"/proc/{process}/maps").open() as maps, Path(f"/proc/{process}/mem").open("rb", 0) as memory:
        for line in maps:
            place, rights, *_ = line.split()
            if rights.startswith("rw"):
                low, high = (int(each, 16) for each in place.split("-"))
                memory.seek(low)
                regions.append(memory.read(high - low))
    return b"".join(regions)


def _odd(key: bytes) -> bytes:
    return bytes(byte & 0xFE | ((byte >> 1).bit_count() + 1) % 2 for byte in key)
