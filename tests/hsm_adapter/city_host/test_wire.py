"""The wire over real sockets: what was not sent, what was not answered, and how long that may take."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest

from ota.hsm_adapter.city_host.signatures import Answer, Request
from ota.hsm_adapter.city_host.wire import HttpWire, NoAnswer, NothingSent

REQUEST = Request("POST", "/tsm/loads/void", b"{}", {"content-type": "application/json"})
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: 1\r\nX-A: 2\r\n\r\n{}"

Serve = Callable[[socket.socket], None]


@contextmanager
def listening(serve: Serve) -> Iterator[str]:
    """A server for one connection."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def run() -> None:
            client, _ = server.accept()
            with client:
                serve(client)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/tsm"
        thread.join(5)


def a_wire(url: str, read_s: float = 5.0) -> HttpWire:
    return HttpWire(url, connect_s=1.0, read_s=read_s)


def heard(client: socket.socket) -> bytes:
    said = client.recv(65536)
    while not said.endswith(b"{}"):
        said += client.recv(65536)
    return said


def test_a_request_is_answered() -> None:
    asked: list[bytes] = []

    def serve(client: socket.socket) -> None:
        asked.append(heard(client))
        client.sendall(GOOD)

    with listening(serve) as url:
        wire = a_wire(url)
        answer = wire.send(REQUEST)

    assert answer == Answer(200, b"{}", {"content-length": "2", "x-a": "1, 2"})
    assert wire.path == "/tsm"
    assert asked[0].startswith(b"POST /tsm/loads/void HTTP/1.1\r\n")


def test_a_body_that_comes_after_its_headers_is_read() -> None:
    def serve(client: socket.socket) -> None:
        heard(client)
        client.sendall(GOOD[:-2])
        time.sleep(0.1)
        client.sendall(GOOD[-2:])

    with listening(serve) as url:
        answer = a_wire(url).send(REQUEST)

    assert answer.body == b"{}"


def test_nobody_there_means_that_nothing_was_sent() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]

    with pytest.raises(NothingSent, match="ConnectionRefusedError"):
        a_wire(f"http://127.0.0.1:{port}").send(REQUEST)


def test_a_handshake_that_fails_means_that_nothing_was_sent() -> None:
    with listening(lambda client: client.sendall(b"no TLS here")) as url:
        wire = HttpWire(url.replace("http:", "https:"), connect_s=1.0, read_s=1.0)

        with pytest.raises(NothingSent):
            wire.send(REQUEST)


def test_a_given_context_is_used() -> None:
    context = ssl.create_default_context()

    assert HttpWire("https://tsm.example.cn/ota", connect_s=1, read_s=1, context=context).path == "/ota"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n{}",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n" + b" " * 70000,
    ],
    ids=["hung up", "cut short", "no HTTP", "too long"],
)
def test_half_an_answer_is_none(answer: bytes) -> None:
    def serve(client: socket.socket) -> None:
        heard(client)
        client.sendall(answer)

    with listening(serve) as url, pytest.raises(NoAnswer):
        a_wire(url).send(REQUEST)


def test_a_late_answer_is_none() -> None:
    released = threading.Event()

    def serve(client: socket.socket) -> None:
        heard(client)
        released.wait(5)

    with listening(serve) as url:
        with pytest.raises(NoAnswer, match="Timeout"):
            a_wire(url, read_s=0.2).send(REQUEST)
        released.set()


def test_an_answer_that_drips_is_late_all_the_same() -> None:
    def serve(client: socket.socket) -> None:
        heard(client)
        for byte in GOOD:
            try:
                client.sendall(bytes((byte,)))
            except OSError:
                return
            time.sleep(0.05)

    with listening(serve) as url:
        began = time.monotonic()
        with pytest.raises(NoAnswer, match="Timeout"):
            a_wire(url, read_s=0.3).send(REQUEST)

    assert time.monotonic() - began < 4


def test_a_deadline_that_has_passed_stops_before_the_next_wait() -> None:
    def serve(client: socket.socket) -> None:
        client.recv(1)

    with listening(serve) as url, pytest.raises(NoAnswer, match="Timeout"):
        a_wire(url, read_s=-1.0).send(REQUEST)


def test_a_name_that_leads_to_this_machine_is_not_spoken_to() -> None:
    heard_anything: list[bytes] = []

    with listening(lambda client: heard_anything.append(client.recv(100))) as url:
        wire = HttpWire(url.replace("127.0.0.1", "localhost"), connect_s=1.0, read_s=1.0, inward=False)
        with pytest.raises(NothingSent, match="InwardAddress"):
            wire.send(REQUEST)

    assert heard_anything == [b""]
