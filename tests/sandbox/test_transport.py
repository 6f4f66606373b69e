"""Ways to a card."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest

from ota.sandbox.element import Options
from ota.sandbox.element.server import ElementServer
from ota.sandbox.make_cards import blank_element
from ota.sandbox.transport import CardGone, ElementTransport, LineTransport, parse_address

CPLC = bytes.fromhex("80CA9F7F00")


@contextmanager
def answering(answer: Callable[[bytes], bytes | None]) -> Iterator[str]:
    """A line server with one connection; None ends it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_serve, args=(server, answer), daemon=True)
        thread.start()
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"
        thread.join(5)


def _serve(server: socket.socket, answer: Callable[[bytes], bytes | None]) -> None:
    connection, _ = server.accept()
    with connection, connection.makefile("rwb") as stream:
        for line in stream:
            told = answer(line)
            if told is None:
                return
            stream.write(told)
            stream.flush()


@contextmanager
def served_element() -> Iterator[str]:
    server = ElementServer(blank_element(Options(seed="line")), "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.address
    server.close()
    thread.join(5)


def test_a_line_carries_the_same_as_a_call() -> None:
    near = ElementTransport(blank_element(Options(seed="line")))

    with served_element() as address:
        far = LineTransport(address)
        answer = far.transmit(CPLC)
        far.reset()
        far.close()

    assert answer == near.transmit(CPLC)


def test_a_card_outlives_a_closed_connection() -> None:
    with served_element() as address:
        answers = []
        for _ in range(2):
            transport = LineTransport(address)
            answers.append(transport.transmit(CPLC))
            transport.close()

    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (b"9000", "timeout"),
        (b"hello\n", "unknown"),
        (b"90\n", "unknown"),
        (b"\n", "unknown"),
        (b"ERROR not a card\n", "unknown"),
        (b"\xff\xfe\n", "unknown"),
        (None, "se_unavailable"),
    ],
)
def test_what_is_no_answer_is_a_card_that_is_gone(told: bytes | None, reason: str) -> None:
    def answer(_line: bytes) -> bytes | None:
        return told

    with (
        answering(answer) as address,
        closing(LineTransport(address, patience_s=0.3)) as transport,
        pytest.raises(CardGone) as caught,
    ):
        transport.transmit(CPLC)

    assert caught.value.reason == reason


def test_a_card_that_keeps_silent_is_not_waited_for_for_ever() -> None:
    release = threading.Event()

    def answer(_line: bytes) -> None:
        release.wait(5)

    with answering(answer) as address:
        transport = LineTransport(address, patience_s=0.1)
        with pytest.raises(CardGone) as caught:
            transport.transmit(CPLC)
        release.set()
        transport.close()

    assert caught.value.reason == "timeout"


def test_a_card_that_does_not_confirm_a_reset_is_gone() -> None:
    with answering(lambda _line: b"6D00\n") as address:
        transport = LineTransport(address)
        with pytest.raises(CardGone, match="expected OK"):
            transport.reset()
        transport.close()


def test_nobody_at_an_address_is_said_with_the_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    with pytest.raises(CardGone, match=f"tcp://127.0.0.1:{port}"):
        LineTransport(f"tcp://127.0.0.1:{port}")


def test_an_element_that_was_taken_away_answers_nothing() -> None:
    transport = ElementTransport(blank_element(Options()))
    transport.close()
    transport.close()

    for talk in (lambda: transport.transmit(CPLC), transport.reset):
        with pytest.raises(CardGone):
            talk()


def test_a_planned_accident_tears_the_card() -> None:
    element = blank_element(Options())
    element.faults.cut_before(1)
    transport = ElementTransport(element)

    with pytest.raises(CardGone) as caught:
        transport.transmit(CPLC)

    assert caught.value.reason == "se_unavailable"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tcp://127.0.0.1:9000", ("127.0.0.1", 9000)),
        ("localhost:1", ("localhost", 1)),
        ("tcp://[::1]:65535", ("::1", 65535)),
    ],
)
def test_an_address_is_host_and_port(text: str, expected: tuple[str, int]) -> None:
    assert parse_address(text) == expected


@pytest.mark.parametrize(
    "text", ["", "9000", "http://127.0.0.1:1", "tcp://127.0.0.1", "tcp://:1", "a:99999", "tcp://[::1"]
)
def test_what_is_no_address_is_told_what_was_expected(text: str) -> None:
    with pytest.raises(ValueError, match="expected tcp://HOST:PORT"):
        parse_address(text)
