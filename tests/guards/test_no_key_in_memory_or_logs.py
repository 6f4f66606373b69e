"""Keys stay where they belong: in no log at any level, and in no process's memory longer than they are used."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from ota import wiring
from ota.app import create_app
from ota.card.keys import Algorithm
from ota.card.purse import Load
from ota.cli.preparation import prepare
from ota.core.clock import SystemClock
from ota.core.values import Mac4
from ota.hsm_adapter.keys import CardKey
from ota.hsm_adapter.software import SoftwareHsm
from ota.hsm_adapter.software.published import globalplatform_key
from ota.sandbox.connection import HttpConnection, Reply
from ota.settings import load
from ota.web.logs import MaskingFormatter
from tests.app.server import ServerProcess
from tests.guards.canaries import Canaries, halves, leaks, spellings
from tests.guards.journey import keys_of, new_holder, whole_journey, words_of
from tests.guards.process_memory import family, found_in_memory
from tests.guards.source import ROOT
from tests.hsm_adapter import reference

LOADS = 1_000
HOLDERS = 4
FEWEST_WORDS = 20


@contextmanager
def canary_server(data: Path, **environ: str) -> Iterator[tuple[ServerProcess, Canaries]]:
    """``ota serve`` whose card keys nobody published."""
    canaries = Canaries.put_into(data)
    server = ServerProcess(data, **environ)
    try:
        yield server, canaries
    finally:
        server.stop()


def test_no_log_of_a_journey_shows_a_key_a_card_a_token_or_a_mac(tmp_path: Path) -> None:
    with canary_server(tmp_path / "data", OTA_LOG_LEVEL="DEBUG") as (server, canaries):
        with closing(HttpConnection(server.url)) as connection:
            holders, overheard = whole_journey(connection)
        text = server.errors.read_text(encoding="utf-8")

    words = words_of(holders, overheard)
    assert len(words) > FEWEST_WORDS
    assert text.count("POST /v1/sessions/<session_id>/results") > 4
    assert leaks(text, keys_of(holders, canaries), words) == []


@pytest.mark.timeout(600)
def test_no_key_stays_in_a_web_process_after_a_thousand_loads(tmp_path: Path) -> None:
    """What stays with the software backend are schedules of city keys inside OpenSSL: docs/operations.md."""
    with (
        canary_server(tmp_path / "data") as (server, canaries),
        closing(HttpConnection(server.url)) as connection,
    ):
        holders = [new_holder(connection, scp) for scp in ("02", "03") * (HOLDERS // 2)]
        for holder in holders:
            holder.get_card("guangzhou")
        for number in range(LOADS):
            holders[number % HOLDERS].top_up(100)
        keys = canaries.keys(holder.card_no for holder in holders)
        keys["key-encryption key"] = (tmp_path / "data" / "kek").read_bytes()

        found = {pid: found_in_memory(pid, halves(keys)) for pid in family(server.process.pid)}
        control = [found_in_memory(pid, [("constant", KNOWN)]) for pid in found]

    assert sum(len(holder.spoken) for holder in holders) > LOADS
    assert ["constant"] in control  # the search finds what is there
    assert {pid: names for pid, names in found.items() if names} == {}


KNOWN = bytes.fromhex("0A02A6D687406DCF")
"""The beginning of a published key that the platform refuses: a constant of every process that opens a key store."""


@pytest.mark.parametrize(
    "kept", ["bytes.fromhex(line)", "bytearray.fromhex(line)", "b'odd' + bytes.fromhex(line)"]
)
def test_a_key_that_a_process_keeps_is_found_in_its_memory(kept: str) -> None:
    key = globalplatform_key(Algorithm.AES256)
    program = f"line = input(); kept = {kept}; print('ready', flush=True); input()"
    process = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(key.hex().encode() + b"\n")
    process.stdin.flush()
    process.stdout.readline()

    found = found_in_memory(process.pid, halves({"key": key}))

    process.communicate(b"\n")
    assert found == ["key [0:8]", "key [16:24]", "key [24:32]", "key [8:16]"]


KEEPS_CARD_KEYS = """
from ota.hsm_adapter.software.cardkeys import CardKeys

kept, derive = [], CardKeys.derive

def careless(self, key, operation):
    card_key = derive(self, key, operation)
    kept.append(bytes(card_key))
    return card_key

CardKeys.derive = careless
"""


def test_a_planted_fault_is_found_in_the_memory_of_a_web_process(tmp_path: Path) -> None:
    (tmp_path / "fault").mkdir()
    (tmp_path / "fault" / "sitecustomize.py").write_text(KEEPS_CARD_KEYS)  # every process begins with it
    path = f"{tmp_path / 'fault'}:{ROOT}"
    with canary_server(tmp_path / "data", PYTHONPATH=path) as (server, canaries):
        with closing(HttpConnection(server.url)) as connection:
            holder = new_holder(connection)
            holder.get_card("guangzhou")
        keys = canaries.keys([holder.card_no])

        found = [name for pid in family(server.process.pid) for name in found_in_memory(pid, halves(keys))]

    assert f"card {holder.card_no} load 3DES [0:8]" in found
    assert not any(name.startswith(("master", "city")) for name in found)


Fault = Callable[["Talkative", CardKey, Mac4], str]


class Talkative:
    """An HSM whose author wanted to see what happens: each fault is one that was made somewhere."""

    def __init__(self, hsm: SoftwareHsm, canaries: Canaries, fault: Fault) -> None:
        self._hsm = hsm
        self.canaries = canaries
        self._fault = fault

    def __getattr__(self, name: str) -> Any:
        return getattr(self._hsm, name)

    def authorise_load(self, key: CardKey, load: Load) -> Mac4:
        mac2 = self._hsm.authorise_load(key, load)
        logging.getLogger("ota.planted").debug("authorised with %s", self._fault(self, key, mac2))
        return mac2

    def derived(self, key: CardKey, levels: int) -> bytes:
        """What the key's path leads to so far."""
        master = self.canaries.masters[key.ref]
        return reference.diversified(key.ref.algorithm, master, key.path[:levels])


FAULTS: Mapping[str, tuple[Fault, str]] = {
    "master in hexadecimal": (lambda hsm, key, _: hsm.derived(key, 0).hex().upper(), "master"),
    "city key as a repr": (lambda hsm, key, _: repr(hsm.derived(key, 1)), "city"),
    "half a card key as numbers": (lambda hsm, key, _: str(list(hsm.derived(key, 2)[8:])), "card 3"),
    "MAC2": (lambda _hsm, _key, mac2: mac2.value.hex(), "MAC2"),
}


@pytest.mark.parametrize("planted", FAULTS)
def test_a_planted_fault_is_found_in_the_log(tmp_path: Path, planted: str) -> None:
    fault, expected = FAULTS[planted]

    found = leaks_of_a_platform(tmp_path, lambda hsm, canaries: Talkative(hsm, canaries, fault))

    assert any(name.startswith(expected) for name in found), found


def test_a_platform_without_a_planted_fault_is_clean(tmp_path: Path) -> None:
    assert leaks_of_a_platform(tmp_path, lambda hsm, _: hsm) == []


def leaks_of_a_platform(folder: Path, dress: Callable[[SoftwareHsm, Canaries], Any]) -> list[str]:
    """Run the journey on a platform in this process, everything logged at DEBUG, and search the log."""
    data = folder / "data"
    canaries = Canaries.put_into(data)
    settings = load(environ={}, overrides={"data": str(data)})
    prepare(settings, SystemClock().now())
    hsm = SoftwareHsm.open(data, environment=settings.environment)
    built = wiring.build(settings, hsm=dress(hsm, canaries))
    with closing(built.store), logged_at_debug() as log:
        holders, overheard = whole_journey(InProcess(create_app(built)))
    return leaks(log.getvalue(), keys_of(holders, canaries), words_of(holders, overheard))


class InProcess:
    """HTTP without a socket."""

    def __init__(self, app: Flask) -> None:
        self._client = app.test_client()

    def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
        answer = self._client.open(path, method=method, headers=dict(headers), data=body)
        return Reply(answer.status_code, answer.data, {k.lower(): v for k, v in answer.headers.items()})


@contextmanager
def logged_at_debug() -> Iterator[StringIO]:
    """Everything that is logged meanwhile, as `ota.web.logs` would write it."""
    root, log = logging.getLogger(), StringIO()
    handler, level = logging.StreamHandler(log), root.level
    handler.setFormatter(MaskingFormatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield log
    finally:
        root.setLevel(level)
        root.removeHandler(handler)


@pytest.mark.parametrize("number", range(10))
def test_every_spelling_of_a_key_is_recognised(number: int) -> None:
    key = bytes.fromhex("8A3C5D1F90B7E2466BD10E94F7A2C358")
    written = list(spellings(key))[number]

    assert leaks(f"DEBUG ota key={written.upper() if number % 2 else written}!", {"key": key}, {}) != []


@pytest.mark.parametrize(
    "text",
    ["", "INFO ota.access POST /v1/token 200 12.0ms caller=sandbox-wallet request=req_06h0c7", "8a3c5d1f"],
)
def test_a_log_without_a_key_is_clean(text: str) -> None:
    assert leaks(text, {"key": bytes.fromhex("8A3C5D1F90B7E2466BD10E94F7A2C358")}, {"MAC2": "01020304"}) == []
