"""``ota-sandbox element``: the line protocol as a process."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from ota.sandbox.discovery import discover
from ota.sandbox.reader import Reader
from ota.sandbox.transport import CardGone, LineTransport
from tests.sandbox.cli.conftest import run

# As from a terminal: whoever starts the tests in the background lets every child ignore the interrupt.
_HEARS = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
PROGRAM = _HEARS + "from ota.sandbox.cli import main; main()"


@contextmanager
def element(*options: str) -> Iterator[tuple[dict[str, Any], subprocess.Popen[str]]]:
    """The program's first line, and the program."""
    command = [sys.executable, "-c", PROGRAM, "element", "--tcp", "127.0.0.1:0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline()), process
        finally:
            process.terminate()


def test_the_first_line_lets_a_strange_host_in() -> None:
    with element() as (told, _), closing(LineTransport(told["address"])) as line:
        found = discover(Reader(line))

    issuer, ours = told["security_domains"]
    assert found.se_id == told["se_id"]
    assert (issuer["aid"], issuer["keys"]["enc"]) == (
        "A000000151000000",
        bytes(range(0x40, 0x50)).hex().upper(),
    )
    assert (ours["aid"], ours["key_version"], set(ours["keys"])) == (
        found.sd_aid,
        "30",
        {"enc", "mac", "dek"},
    )


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_when_told_to_with_somebody_on_the_line(stop: signal.Signals) -> None:
    with element() as (told, process), closing(LineTransport(told["address"])) as line:
        line.transmit(bytes.fromhex("80CA9F7F00"))
        process.send_signal(stop)
        code = process.wait(10)

    assert code == 0


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--scp", "02"], ("02", "55", "20")),
        (["--scp", "02", "--i", "15"], ("02", "15", "20")),
        (["--i", "60", "--key-bits", "256"], ("03", "60", "32")),
    ],
)
def test_the_make_of_the_element_is_chosen(options: list[str], expected: tuple[str, str, str]) -> None:
    with element(*options) as (told, _), closing(LineTransport(told["address"])) as line:
        found = discover(Reader(line))

    assert (found.scp, found.i, found.key_version) == expected


def test_accidents_are_planned() -> None:
    options = ["--answer", "CA=6985", "--cut-after", "2", "--cut-in-credit", "after-write", "--seed", "s"]
    with element(*options) as (told, _), closing(LineTransport(told["address"])) as line:
        first = line.transmit(bytes.fromhex("80CA9F7F00"))
        with pytest.raises(CardGone):
            line.transmit(bytes.fromhex("80CA9F7F00"))

    assert first.hex() == "6985"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--tcp", "nowhere"], "expected tcp://HOST:PORT"),
        (["--tcp", "127.0.0.1:0", "--i", "7"], "expected two hex digits"),
        (["--tcp", "127.0.0.1:0", "--i", "15"], "no card speaks SCP03 i=15"),
        (["--tcp", "127.0.0.1:0", "--answer", "CA"], "expected an instruction and a status word"),
        (["--tcp", "127.0.0.1:0", "--fixed-random", "xyz"], "expected pairs of hex digits"),
    ],
)
def test_a_wrong_option_is_told_with_what_was_expected(arguments: list[str], expected: str) -> None:
    result = run("element", *arguments)

    assert result.exit_code != 0
    assert expected in result.output
