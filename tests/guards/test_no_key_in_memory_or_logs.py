"""Keys stay where they belong: in no log at any level, and in no process's memory longer than they are used."""

from __future__ import annotations

import base64
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from ota.card.keys import Algorithm
from ota.hsm_adapter.software.published import globalplatform_key
from ota.sandbox.connection import HttpConnection
from tests.app.server import ServerProcess
from tests.guards.canaries import Canaries, halves, leaks, spellings
from tests.guards.journey import Holder, keys_of, new_holder, whole_journey, words_of
from tests.guards.planted import FAULTS, KEEPS_CARD_KEYS, Talkative, leaks_of_a_platform
from tests.guards.process_memory import family, found_in_memory
from tests.guards.source import ROOT
from tests.tokens import Token, make_token

LOADS = 1_000
HOLDERS = 4
FEWEST_WORDS = 20


@contextmanager
def canary_server(data: Path, **environ: str) -> Iterator[tuple[ServerProcess, Canaries]]:
    """``ota serve`` whose card keys nobody published."""
    canaries = Canaries.put_into(data)
    server = ServerProcess(data, **environ)
    with ended(server):
        yield server, canaries


@contextmanager
def ended(server: ServerProcess) -> Iterator[None]:
    """Stop the server at the end."""
    try:
        yield
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


def test_no_key_stands_in_any_file_of_an_installation(tmp_path: Path) -> None:
    """Not in the database and its journal, not in the key store, not in what commands write."""
    data = tmp_path / "data"
    with canary_server(data) as (server, canaries):
        with closing(HttpConnection(server.url)) as connection:
            holders, _overheard = whole_journey(connection)
        files = [
            path for path in data.rglob("*") if path.is_file()
        ]  # while it runs: the journal is there too
        found = {
            (path.name, name)
            for path in files
            for name, key in halves(canaries.keys(holder.card_no for holder in holders))
            for spelling in (key, key.hex().encode(), key.hex().upper().encode(), base64.b64encode(key)[:10])
            if spelling in path.read_bytes()
        }

    assert {"kek", "keys", "ota.sqlite3", "ota.sqlite3-wal", "signing-key"} <= {path.name for path in files}
    assert found == set()


@pytest.mark.timeout(900)
def test_no_key_stays_in_a_web_process_after_a_thousand_loads(tmp_path: Path) -> None:
    """What stays with the software backend are schedules of city keys inside OpenSSL: docs/operations.md."""
    data = tmp_path / "data"
    with canary_server(data) as (server, canaries), closing(HttpConnection(server.url)) as connection:
        holders = issued(connection)
        load_often(holders)
        keys = canaries.keys(holder.card_no for holder in holders)
        keys["key-encryption key"] = (data / "kek").read_bytes()

        assert_in_no_process(server, keys)


@pytest.mark.timeout(900)
def test_no_key_stays_in_a_web_process_that_loads_with_a_token(
    tmp_path: Path, pkcs11_module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    with canary_server(data) as (server, canaries), closing(HttpConnection(server.url)) as connection:
        holders = issued(connection)
    monkeypatch.setenv("SOFTHSM2_CONF", "")  # so that it is put back after make_token
    environ = filled_token(make_token(pkcs11_module, tmp_path), canaries, tmp_path / "pin")

    server = ServerProcess(data, **environ)
    with ended(server), closing(HttpConnection(server.url)) as connection:
        for holder in holders:
            holder.connect(connection)
        load_often(holders)

        assert_in_no_process(server, canaries.keys(holder.card_no for holder in holders))


def issued(connection: HttpConnection) -> list[Holder]:
    """Holders with cards by both protocols."""
    holders = [new_holder(connection, scp) for scp in ("02", "03") * (HOLDERS // 2)]
    for holder in holders:
        holder.get_card("guangzhou")
    return holders


def load_often(holders: list[Holder]) -> None:
    for number in range(LOADS):
        holders[number % len(holders)].top_up(100)


def assert_in_no_process(server: ServerProcess, keys: Mapping[str, bytes]) -> None:
    """No half of a key is in the memory of a server's processes; the search finds what is there."""
    pids = family(server.process.pid)
    found = {name for pid in pids for name in found_in_memory(pid, halves(keys))}
    control = {name for pid in pids for name in found_in_memory(pid, [("constant", KNOWN)])}
    assert control == {"constant"}
    assert found == set()


def filled_token(token: Token, canaries: Canaries, pin_file: Path) -> dict[str, str]:
    """Put the canaries that a token can hold onto it, in a process of its own; the settings that name it."""
    pin_file.write_text(token.user_pin)
    pin_file.chmod(0o600)
    program = (
        "import sys; from pathlib import Path; from ota.hsm_adapter.keys import KeyRef; "
        "from ota.hsm_adapter.pkcs11 import TokenPlace; "
        "from ota.hsm_adapter.pkcs11.administration import TokenKeys; "
        "module, label, pin = sys.argv[1:]; lines = [line.split() for line in sys.stdin]; "
        "keys = TokenKeys(TokenPlace(Path(module), label, Path(pin)), environment='development'); "
        "keys.add({KeyRef.parse(name): bytes.fromhex(key) for name, key in lines}, test=False)"
    )
    lines = "".join(
        f"{ref} {key.hex()}\n" for ref, key in canaries.masters.items() if ref.algorithm is Algorithm.TDES
    )
    command = [sys.executable, "-c", program, token.module, token.label, str(pin_file)]
    subprocess.run(command, input=lines.encode(), check=True, cwd=ROOT)
    return {
        "OTA_HSM_BACKEND": "pkcs11",
        "OTA_HSM_PKCS11_MODULE": token.module,
        "OTA_HSM_PKCS11_TOKEN": token.label,
        "OTA_HSM_PIN_FILE": str(pin_file),
    }


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


@pytest.mark.parametrize("planted", FAULTS)
def test_a_planted_fault_is_found_in_the_log(tmp_path: Path, planted: str) -> None:
    fault, expected = FAULTS[planted]

    found = leaks_of_a_platform(tmp_path, lambda hsm, canaries: Talkative(hsm, canaries, fault))

    assert any(name.startswith(expected) for name in found), found


def test_a_platform_without_a_planted_fault_is_clean(tmp_path: Path) -> None:
    assert leaks_of_a_platform(tmp_path, lambda hsm, _: hsm) == []


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
