"""``ota-sandbox demo``: everything at once, on a platform of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from ota.sandbox import credentials
from ota.sandbox.api import Api
from ota.sandbox.caller import Caller
from ota.sandbox.cli.endings import finish
from ota.sandbox.connection import HttpConnection
from ota.sandbox.demo import Demo
from ota.sandbox.element import Options
from ota.sandbox.errands import PhoneUser
from ota.sandbox.make_cards import DEFAULT_I, blank_element
from ota.sandbox.phone import Phone
from ota.sandbox.private_server import private_server
from ota.sandbox.reader import Reader
from ota.sandbox.transcript import Transcript, WatchedConnection, make_console
from ota.sandbox.transport import ElementTransport
from ota.sandbox.wallet import WalletServer


@click.command(short_help="A phone gets a card and a first top-up, before your eyes.")
@click.option(
    "--city", default="guangzhou", show_default=True, help="By name, 广州 or guangzhou, or code 5810."
)
@click.option(
    "--scp", type=click.Choice(["02", "03"]), default="03", show_default=True, help="Secure channel."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def demo(city: str, scp: str, *, as_json: bool) -> None:
    """A phone with an empty secure element gets a card of a city and a first top-up, before your eyes.

    Starts a private platform on a free port, with test keys, in a folder that is thrown away afterwards. Prints every
    command to the card with its meaning, and checks every MAC and TAC again. Exit 1 when anything does not hold.
    """
    console = make_console(quiet=as_json)
    finish(lambda: _run(city, scp, console), console, as_json=as_json)


@dataclass(frozen=True, slots=True)
class _Figures:
    """The demo's figures as an outcome; a demo that fails raises."""

    figures: dict[str, Any]
    ok: bool = True

    def to_json(self) -> dict[str, Any]:
        return self.figures


def _run(city: str, scp: str, console: Console) -> _Figures:
    transcript = Transcript(console)
    with _platform(console) as url, HttpConnection(url) as connection:
        api = Api(WatchedConnection(connection, transcript.asked))
        element = blank_element(Options(scp=scp, i=DEFAULT_I[scp]))
        reader = Reader(ElementTransport(element), transcript.said)
        wallet = WalletServer(Caller(api, credentials.wallet()))
        transcript.note(f"SCP{scp} i={DEFAULT_I[scp]:02X}, element {element.se_id}, platform at {url}")
        user = PhoneUser(reader, Phone(reader, api), wallet, tell=transcript.note)
        return _Figures(Demo(api, wallet, user, reader, transcript).run(city))


@contextmanager
def _platform(console: Console) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="ota-demo-") as folder:
        status = console.status("starting a private platform …")
        status.start()
        try:
            with private_server(Path(folder)) as url:
                status.stop()
                yield url
        finally:
            status.stop()
