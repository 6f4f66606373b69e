"""The proxy between phones, web and database: carries bytes, and cuts and delays them when told to."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos.relay import Relay


class Echo:
    """Says back what it is told."""

    def __init__(self, listening: socket.socket) -> None:
        self.socket = listening
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    @staticmethod
    def _talk(connection: socket.socket) -> None:
        with connection:
            try:
                while data := connection.recv(1024):
                    connection.sendall(data)
            except OSError:
                return


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[Relay]:
    """One door to TCP with a dead address before the live one, one to a Unix socket, one to nobody."""
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as unix:
        path = tmp_path / "echo.sock"
        unix.bind(str(path))
        unix.listen()
        for listening in (tcp, unix):
            Echo(listening)
        doors = {
            "tcp": ["127.0.0.1:1", f"127.0.0.1:{tcp.getsockname()[1]}"],
            "unix": [str(path)],
            "nobody": ["127.0.0.1:1"],
        }
        with Relay(doors) as relay:
            yield relay


def connect(relay: Relay, door: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", relay.ports[door]), timeout=10)


def said(connection: socket.socket, data: bytes = b"hello") -> bytes:
    connection.sendall(data)
    return connection.recv(1024)


@pytest.mark.parametrize("door", ["tcp", "unix"])
def test_bytes_go_there_and_back(relay: Relay, door: str) -> None:
    with connect(relay, door) as connection:
        assert said(connection) == b"hello"


@pytest.mark.parametrize("door", ["tcp", "unix"])
def test_a_cut_resets_what_is_open_and_nothing_else(relay: Relay, door: str) -> None:
    with connect(relay, door) as connection:
        before = said(connection)

        relay.cut(door)
        try:
            after = connection.recv(1024)
        except ConnectionResetError:
            after = b""

    with connect(relay, door) as another:
        assert (before, after, said(another)) == (b"hello", b"", b"hello")


def test_a_delay_makes_late_and_ends(relay: Relay) -> None:
    with connect(relay, "tcp") as connection:
        relay.delay("tcp", 0.2, 30)
        began = time.monotonic()
        said(connection)
        late_s = time.monotonic() - began
        relay.delay("tcp", 0, 0)
        said(connection)

    assert late_s >= 0.4  # there and back


def test_a_door_with_nobody_behind_it_closes_at_once(relay: Relay) -> None:
    with connect(relay, "nobody") as connection:
        try:
            data = connection.recv(1)
        except ConnectionResetError:
            data = b""

    assert data == b""
