"""A platform in this process, and the people, phones, cards and terminals around it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import Flask

from ota import wiring
from ota.app import create_app
from ota.cli.preparation import prepare
from ota.core.clock import SystemClock
from ota.sandbox import credentials
from ota.sandbox.api import Api
from ota.sandbox.caller import Caller
from ota.sandbox.connection import Connection, Reply, Unreachable
from ota.sandbox.discovery import Wishes
from ota.sandbox.element import Element, Options
from ota.sandbox.errands import PhoneUser
from ota.sandbox.face import Face, read_face
from ota.sandbox.make_cards import DEFAULT_I, blank_element
from ota.sandbox.outbox import Outbox
from ota.sandbox.phone import Mishaps, Phone, Watch
from ota.sandbox.reader import Reader, Spoken
from ota.sandbox.terminal import Mishaps as TerminalMishaps
from ota.sandbox.terminal import Terminal
from ota.sandbox.transport import ElementTransport
from ota.sandbox.wallet import WalletServer
from ota.settings import Settings


class WsgiConnection:
    """HTTP without a socket: the application is called in this process. ``lose`` drops answers on their way back."""

    def __init__(self, platform: Platform, lose: set[int] | None = None) -> None:
        self._platform = platform
        self._lose = lose or set()
        self.requests: list[tuple[str, str]] = []

    def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
        """The answer, unless this request's number (first is 1) is among those to be lost."""
        self.requests.append((method, path))
        answer = self._platform.app.test_client().open(path, method=method, headers=dict(headers), data=body)
        if len(self.requests) in self._lose:
            raise Unreachable("the answer was lost")
        return Reply(answer.status_code, answer.data, {k.lower(): v for k, v in answer.headers.items()})


@dataclass
class Platform:
    """An installation; ``restart`` lets another server process go on with the same database."""

    settings: Settings
    _built: wiring.Wiring = field(init=False)
    app: Flask = field(init=False)

    def __post_init__(self) -> None:
        prepare(self.settings, SystemClock().now())
        self._start()

    def restart(self) -> None:
        """End this process's part and begin another's: nothing is kept but the database and the key store."""
        self.close()
        self._start()

    def close(self) -> None:
        """Let go of the database."""
        self._built.store.close()

    def _start(self) -> None:
        self._built = wiring.build(self.settings)
        self.app = create_app(self._built)


@dataclass
class World:
    """Everything around one platform."""

    platform: Platform

    def api(self, connection: Connection | None = None) -> Api:
        """The API over a connection of its own, without waiting between repetitions."""
        return Api(connection or WsgiConnection(self.platform), pause=lambda _seconds: None)

    def wallet(self, name: str = "sandbox-wallet") -> WalletServer:
        """A wallet's server."""
        return WalletServer(Caller(self.api(), credentials.wallet(name)))

    def user(
        self,
        element: Element,
        *,
        mishaps: Mishaps | None = None,
        outbox: Outbox | None = None,
        wishes: Wishes | None = None,
        connection: Connection | None = None,
        watch: Watch | None = None,
    ) -> PhoneUser:
        """Somebody whose phone has this element; every call is a freshly started app."""
        reader = Reader(ElementTransport(element))
        api = self.api(connection)
        phone = Phone(reader, api, outbox, mishaps, watch)
        wallet = WalletServer(Caller(api, credentials.wallet()))
        return PhoneUser(reader, phone, wallet, wishes or Wishes())

    def terminal(self, card: Any, city: str, mishaps: TerminalMishaps | None = None) -> Terminal:
        """A terminal of a city with a card on its reader: an element, or anything with ``transmit``."""
        transport = ElementTransport(card) if isinstance(card, Element) else card
        return Terminal(Reader(transport), Caller(self.api(), credentials.terminal(city)), mishaps=mishaps)


def new_element(scp: str = "03", i: int | None = None, aes_bits: int = 128, **options: Any) -> Element:
    """A blank element that the platform has keys for."""
    return blank_element(Options(scp=scp, i=DEFAULT_I[scp] if i is None else i, **options), aes_bits)


def face_of(element: Element) -> Face:
    """Number and balance as the card shows them after its power was cut."""
    element.reset()
    element.faults.clear()
    return read_face(Reader(ElementTransport(element)))


def instructions(spoken: list[Spoken]) -> list[int]:
    """The instruction bytes of what was said to a card."""
    return [each.command[1] for each in spoken]
