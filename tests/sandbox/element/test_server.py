from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from threading import Thread

import pytest

from ota.sandbox.element import Element
from ota.sandbox.element.server import MAX_LINE, ElementServer, serve
from tests.sandbox.element.cards import TUNION, begin_load, lv


class Line:
    """A stranger at the other end of the line."""

    def __init__(self, address: str) -> None:
        host, port = address.removeprefix("tcp://").rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=10)
        self.stream = self.socket.makefile("rwb")

    def ask(self, line: str) -> str:
        self.stream.write(line.encode() + b"\n")
        self.stream.flush()
        return self.stream.readline().decode().rstrip("\n")

    def close(self) -> None:
        self.stream.close()
        self.socket.close()


@pytest.fixture
def server(card: Element) -> Iterator[ElementServer]:
    """A compatible card behind the line protocol."""
    served = ElementServer(card, "127.0.0.1", 0)
    thread = Thread(target=served.serve_forever)
    thread.start()
    yield served
    served.close()
    thread.join(timeout=10)
    assert not thread.is_alive()


@pytest.fixture
def line(server: ElementServer) -> Iterator[Line]:
    """One connection to it."""
    opened = Line(server.address)
    yield opened
    opened.close()


SELECT = "00A40400" + lv(TUNION)


def test_a_line_in_is_a_line_out(line: Line) -> None:
    assert line.ask(SELECT).endswith("9000")
    assert line.ask("805c000204") == "000000009000"
    assert line.ask(" 80 5C 00 02 04 \r") == "000000009000"


def test_reset_cuts_the_power(line: Line) -> None:
    line.ask(SELECT)

    assert line.ask("RESET") == "OK"

    assert line.ask("805C000204") == "6D00"


@pytest.mark.parametrize("bad", ["", "zz", "0", "00A4", "reset", "é", "F" * (MAX_LINE + 1), "F" * 5000])
def test_a_bad_line_is_an_error_and_keeps_the_connection(line: Line, bad: str) -> None:
    line.ask(SELECT)

    assert line.ask(bad).startswith("ERROR ")

    assert line.ask("805C000204") == "000000009000"


def test_a_closed_connection_is_a_torn_card(server: ElementServer, card: Element) -> None:
    first = Line(server.address)
    first.ask(SELECT)
    first.close()

    second = Line(server.address)
    answer = second.ask("805C000204")
    second.close()

    assert answer == "6D00"
    assert card.se_id


def test_a_line_that_breaks_off_is_not_run(server: ElementServer, card: Element) -> None:
    credit = begin_load(card).credit()
    first = Line(server.address)
    first.socket.sendall(credit.encode())
    first.close()

    second = Line(server.address)
    second.ask(SELECT)
    answer = second.ask("805C000204")
    second.close()

    assert answer == "000000009000"


def test_a_planned_power_cut_closes_the_connection(card: Element, line: Line) -> None:
    line.ask(SELECT)
    card.faults.cut_before(1)

    assert line.ask("805C000204") == ""


def test_the_description_opens_the_element(server: ElementServer, card: Element) -> None:
    told = server.describe()

    assert told["address"] == server.address
    assert told["se_id"] == card.se_id
    issuer, ours = told["security_domains"]  # type: ignore[misc]
    assert (issuer["aid"], ours["aid"]) == ("A000000151000000", "D156000158534400")  # type: ignore[has-type]
    assert issuer["keys"]["enc"] == "404142434445464748494A4B4C4D4E4F"  # type: ignore[has-type]
    assert ours["key_version"] == "30"  # type: ignore[has-type]
    assert ours["keys"]["dek"] == card.security_domains[1].keys.dek.hex().upper()  # type: ignore[has-type]


def test_serving_announces_one_line_of_json_and_stops_when_interrupted(
    blank: Element, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(_: ElementServer) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ElementServer, "serve_forever", interrupt)

    serve(blank, "127.0.0.1", 0)

    (announced,) = capsys.readouterr().out.splitlines()
    assert json.loads(announced)["address"].startswith("tcp://127.0.0.1:")


def test_an_ipv6_address_is_written_in_brackets(blank: Element) -> None:
    server = ElementServer(blank, "::1", 0)

    assert server.address.startswith("tcp://[::1]:")
    server.close()
