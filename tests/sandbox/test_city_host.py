"""The simulated city host as a platform in another process meets it, and what it refuses."""

from __future__ import annotations

import json
import threading
from importlib import import_module
from pathlib import Path

import pytest
from click.testing import CliRunner

from ota.core.clock import SystemClock
from ota.hsm_adapter.city_host.client import CityHost as Client
from ota.hsm_adapter.city_host.client import HostLoadState
from ota.hsm_adapter.city_host.errors import CityHostRefused, CityHostUnknown
from ota.hsm_adapter.city_host.message_keys import MessageKey, verifiers
from ota.hsm_adapter.city_host.wire import HttpWire
from ota.sandbox import city_host_server
from ota.sandbox.city_host import CityHost, Fault, HostDown, HostSilent
from ota.sandbox.city_host_messages import Forged, Post, Said, Signature, check_post, check_said
from ota.sandbox.cli import main
from tests.hsm_adapter.city_host.parties import CARD, OURS, a_key

command = import_module("ota.sandbox.cli.city_host")  # the package has the command under the same name
CITY = Signature.make("foshan-1")
BODY = json.dumps({"load_id": "att_1", "card_no": CARD.digits}).encode()


def a_host() -> CityHost:
    return CityHost("02775880", CITY, {OURS.name: OURS.public.point})


def client_of(address: str, key: MessageKey = OURS, read_s: float = 5.0) -> Client:
    wire = HttpWire(f"{address}/tsm", connect_s=2, read_s=read_s)
    return Client("foshan", wire, key, verifiers([("foshan-1", *CITY.public)]), SystemClock())


def test_a_host_over_http_is_understood_by_the_platform() -> None:
    host = a_host()

    with city_host_server.listening(host) as address:
        client = client_of(address)
        client.void("att_1", CARD)
        known = [client.query(load_id, CARD).state for load_id in ("att_1", "att_2")]

    assert known == [HostLoadState.VOID, HostLoadState.UNHEARD]
    assert host.heard == ["void", "query", "query"]


@pytest.mark.parametrize("fault", [Fault.DOWN, Fault.LATE, Fault.LOST, Fault.WRONG_SIGNATURE])
def test_faults_over_http_leave_the_outcome_unknown(fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(city_host_server, "_TOO_LATE_S", 0.6)
    host = a_host()
    host.plan("void", fault)

    with city_host_server.listening(host) as address, pytest.raises(CityHostUnknown):
        client_of(address, read_s=0.3).void("att_1", CARD)


def test_a_stranger_and_an_unknown_question_are_refused() -> None:
    host = a_host()

    with city_host_server.listening(host) as address:
        with pytest.raises(CityHostRefused, match="message_signature_wrong"):
            client_of(address, a_key("province-1")).void("att_1", CARD)
        with pytest.raises(CityHostRefused, match="load_unknown"):
            client_of(address).confirm("att_9", CARD, None)
    said = host.serve(CITY_POSTS["elsewhere"])

    assert said.status == 401


CITY_POSTS = {"elsewhere": CITY.post("/tsm/loads/elsewhere", BODY)}


def test_an_unknown_verb_is_no_verb() -> None:
    host = CityHost("02775880", CITY, {CITY.key_id: CITY.public})

    said = host.serve(CITY_POSTS["elsewhere"])

    assert (said.status, json.loads(said.body)) == (404, {"code": "not_found"})


def test_the_first_answer_of_all_has_no_older_one_to_be_mistaken_for() -> None:
    host = CityHost("02775880", CITY, {CITY.key_id: CITY.public})
    host.plan("void", Fault.OLD_ANSWER, Fault.DOWN, Fault.LOST)
    post = CITY.post("/tsm/loads/void", BODY)

    said = host.serve(post)

    check_said(said, post, {CITY.key_id: CITY.public})
    with pytest.raises(HostDown):
        host.serve(post)
    with pytest.raises(HostSilent):
        host.serve(post)


@pytest.mark.parametrize(
    "spoilt",
    [
        Post("/x", BODY),
        Post("/x", BODY + b" ", CITY.post("/x", BODY).headers),
        Post("/y", BODY, CITY.post("/x", BODY).headers),
    ],
)
def test_a_message_that_was_changed_is_forged(spoilt: Post) -> None:
    with pytest.raises(Forged):
        check_post(spoilt, {CITY.key_id: CITY.public})


def test_an_answer_to_another_question_is_forged() -> None:
    first, second = CITY.post("/x", BODY), CITY.post("/x", BODY)
    said = CITY.say(first, 200, b"{}")

    check_said(said, first, {CITY.key_id: CITY.public})
    with pytest.raises(Forged):
        check_said(said, second, {CITY.key_id: CITY.public})
    with pytest.raises(Forged):
        check_said(Said(200, b"{}"), first, {})


def test_the_command_prints_the_table_for_the_citys_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "_wait", lambda: None)
    key = tmp_path / "key.pem"
    options = ["city-host", "--issuer-code", "02775880", "--port", "0", "--key", str(key)]
    point = OURS.public.point

    first = CliRunner().invoke(main, options)
    again = CliRunner().invoke(main, [*options, "--platform-key", "p-1", *point, "--fault", "void", "late"])

    assert first.exit_code == again.exit_code == 0
    assert "no --platform-key" in first.stderr
    assert first.stdout.splitlines()[4:] == again.stdout.splitlines()[4:]  # the same key: it was kept
    assert 'platform_key_id = "p-1"' in again.stdout
    assert key.stat().st_mode & 0o077 == 0


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric import ed25519
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = tmp_path / "key.pem"
    made = ed25519.Ed25519PrivateKey.generate()
    key.write_bytes(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

    refused = CliRunner().invoke(main, ["city-host", "--issuer-code", "02775880", "--key", str(key)])

    assert refused.exit_code == 2
    assert "expected an EC private key" in refused.stderr


def test_a_new_key_each_time_without_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    waited = threading.Event()
    monkeypatch.setattr(command, "_wait", waited.set)

    told = CliRunner().invoke(main, ["city-host", "--issuer-code", "02775880", "--port", "0"])

    assert waited.is_set()
    assert told.stdout.startswith('[host]\nurl = "http://127.0.0.1:')
