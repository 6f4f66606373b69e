"""One kept-alive connection."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ota.sandbox.connection import HttpConnection, Unreachable, parse_url

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Request-Id: r1\r\n\r\n{}"


@contextmanager
def serving(*connections: list[bytes]) -> Iterator[str]:
    """A server that takes one connection after the other, gives its answers and closes it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_serve, args=(server, connections), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/base/"
        thread.join(5)


def _serve(server: socket.socket, connections: tuple[list[bytes], ...]) -> None:
    for answers in connections:
        connection, _ = server.accept()
        with connection:
            for answer in answers:
                connection.recv(65536)
                connection.sendall(answer)


def test_one_connection_carries_many_requests() -> None:
    with serving([ANSWER, ANSWER]) as url:
        connection = HttpConnection(url)
        replies = [connection.send("GET", "/healthz", {}, None) for _ in range(2)]
        connection.close()

    assert [(reply.status, reply.body, reply.headers["x-request-id"]) for reply in replies] == [
        (200, b"{}", "r1")
    ] * 2


def test_a_connection_that_was_closed_while_idle_is_opened_again() -> None:
    with serving([ANSWER], [ANSWER]) as url:
        connection = HttpConnection(url)
        connection.send("GET", "/healthz", {}, None)
        reply = connection.send("POST", "/v1/token", {}, b"x")
        connection.close()

    assert reply.status == 200


def test_a_server_that_closes_a_fresh_connection_is_unreachable() -> None:
    with serving([]) as url, pytest.raises(Unreachable):
        HttpConnection(url).send("GET", "/healthz", {}, None)


def test_an_answer_that_was_cut_off_is_none() -> None:
    torn = b'HTTP/1.1 409 Conflict\r\nContent-Length: 20\r\n\r\n{"code":'

    with serving([torn]) as url, pytest.raises(Unreachable):
        HttpConnection(url).send("POST", "/v1/topups", {}, b"{}")


def test_what_speaks_no_http_is_unreachable() -> None:
    with serving([b"220 mail.example\r\n\r\n"]) as url, pytest.raises(Unreachable):
        HttpConnection(url).send("GET", "/healthz", {}, None)


def test_nobody_listening_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    with pytest.raises(Unreachable, match=str(port)):
        HttpConnection(f"http://127.0.0.1:{port}").send("GET", "/", {}, None)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:8080", ("http", "127.0.0.1", 8080, "")),
        ("https://ota.example/", ("https", "ota.example", 443, "")),
        ("http://ota.example/base/", ("http", "ota.example", 80, "/base")),
    ],
)
def test_an_address_is_read(url: str, expected: tuple[str, str, int, str]) -> None:
    assert parse_url(url) == expected


@pytest.mark.parametrize("url", ["", "127.0.0.1:8080", "ftp://x", "http://", "http://x:99999", "http://[::1"])
def test_what_is_no_address_is_told_what_was_expected(url: str) -> None:
    with pytest.raises(ValueError, match="expected http://HOST:PORT"):
        parse_url(url)
