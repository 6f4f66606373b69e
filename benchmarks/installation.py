"""A whole platform in this process with a throw-away data folder, and phones with new cards for it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from flask.testing import FlaskClient

from ota import settings as configuration
from ota import wiring
from ota.app import create_app
from ota.card.keys import Algorithm, KeyRole
from ota.cli.preparation import prepare
from ota.sandbox import credentials
from ota.sandbox.api import Api
from ota.sandbox.caller import Caller
from ota.sandbox.connection import Reply
from ota.sandbox.element.factory import key_version, make_element
from ota.sandbox.element.keys import KeySet
from ota.sandbox.element.options import Options
from ota.sandbox.errands import PhoneUser
from ota.sandbox.phone import Phone
from ota.sandbox.reader import Reader
from ota.sandbox.test_masters import published_master
from ota.sandbox.transport import ElementTransport
from ota.sandbox.wallet import WalletServer

CONFIG = Path(__file__).parent.parent / "config"


@dataclass
class TimedConnection:
    """Requests straight into the application; keeps what each exchange of a session cost the server, in seconds."""

    client: FlaskClient
    exchanges: list[float] = field(default_factory=list)

    def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
        """The application's answer."""
        started = time.perf_counter()
        answer = self.client.open(path, method=method, headers=dict(headers), data=body)
        taken = time.perf_counter() - started
        if path.endswith("/results") or path == "/v1/sessions":
            self.exchanges.append(taken)
        return Reply(answer.status_code, answer.data, {name.lower(): value for name, value in answer.headers})

    def take(self) -> list[float]:
        """What was kept since the last time."""
        taken, self.exchanges = self.exchanges, []
        return taken


@dataclass(frozen=True)
class Installation:
    """A platform and a wallet in front of it."""

    connection: TimedConnection
    wallet: WalletServer

    def new_phone(self) -> PhoneUser:
        """A phone with an empty element."""
        return new_phone(Api(self.connection), self.wallet)


def new_phone(api: Api, wallet: WalletServer) -> PhoneUser:
    """A phone with an empty element that speaks SCP03 i=70, in front of a platform."""
    roles = (KeyRole.SD_ENC, KeyRole.SD_MAC, KeyRole.SD_DEK)
    masters = (published_master(role.value, Algorithm.AES128.value) for role in roles)
    reader = Reader(ElementTransport(make_element(KeySet(key_version("03"), *masters), Options())))
    return PhoneUser(reader, Phone(reader, api), wallet)


@contextmanager
def installation() -> Iterator[Installation]:
    """Build it, and take it away afterwards."""
    with TemporaryDirectory(prefix="ota-bench-") as folder:
        settings = configuration.load(
            config=CONFIG, environ={}, overrides={"data": Path(folder), "log.level": "ERROR"}
        )
        prepare(settings, datetime.now(UTC))
        built = wiring.build(settings)
        try:
            connection = TimedConnection(create_app(built).test_client())
            caller = Caller(Api(connection), credentials.wallet(), settings.tokens.audience)
            yield Installation(connection, WalletServer(caller))
        finally:
            built.store.close()
