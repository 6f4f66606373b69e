"""A server process of the platform: the real wiring and the real Flask application, answering one request at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, cast

import orjson
import sqlalchemy as sa
from flask import Flask

from ota import app as app_module
from ota import wiring
from ota.app import create_app
from ota.card.purse import Load
from ota.core.clock import Clock
from ota.core.errors import OtaError
from ota.core.values import Mac4
from ota.events.service import Posts
from ota.hsm_adapter.city_host.client import Wire
from ota.hsm_adapter.ports import Hsm
from ota.sandbox.simulation.boundary import GuardedHsm, GuardedStore, Killed, Moments, Others
from ota.sandbox.simulation.faults import Luck
from ota.sandbox.simulation.patching import replaced
from ota.sandbox.simulation.rotation import Rotation
from ota.sandbox.simulation.signer import ReplacedSigner
from ota.settings import Settings
from ota.topup.refund_port import WalletDesk
from ota.wiring import platform

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request; ``luck`` is that of whoever sends it. Repeated, it is the same bytes."""

    luck: Luck = field(repr=False)
    method: str
    path: str
    body: bytes = b""
    token: str | None = field(default=None, repr=False)
    key: str | None = None
    media_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP answer."""

    status: int
    body: bytes = field(repr=False)

    @property
    def json(self) -> Json:
        """The body."""
        content: Json = orjson.loads(self.body)
        return content

    @property
    def ok(self) -> bool:
        """Whether the request was granted."""
        return self.status < 400

    @property
    def code(self) -> str:
        """The stable code of a problem."""
        return "" if self.ok else str(self.json.get("code", ""))

    @property
    def is_worth_repeating(self) -> bool:
        """Whether the same request may work a moment later."""
        return not self.ok and (self.status == 503 or bool(self.json.get("retryable")))


class Applications:
    """The Flask applications of a campaign, one for each process by its name.

    Routing table and description of the API take most of the time of a start and never change, so that a restarted
    process gets its old application with everything that the new wiring hands to it.
    """

    def __init__(self) -> None:
        self._described: dict[str, Flask] = {}

    def create(self, name: str, built: wiring.Wiring) -> Flask:
        """The application of a process that starts."""
        if name not in self._described:
            self._described[name] = create_app(built)
            return self._described[name]
        with replaced(app_module, describe=lambda _app, _blueprints: None):
            parts = create_app(built).extensions
        app = self._described[name]
        app.extensions |= {part: value for part, value in parts.items() if part.partition(".")[0] == "ota"}
        return app


@dataclass(frozen=True, slots=True)
class Parts:
    """What the processes of one installation share."""

    settings: Settings
    engine: sa.Engine
    clock: Clock
    signer: ReplacedSigner
    hsm: Hsm
    desk: WalletDesk
    posts: Posts
    applications: Applications
    rotation: Rotation
    wire: Wire
    authorised: dict[Mac4, Load]


class Process:
    """One process. When it is killed it stays dead until `start` builds everything anew."""

    def __init__(self, name: str, parts: Parts, others: Others) -> None:
        self.name = name
        self._parts = parts
        self._others = others
        self.busy = False
        self.start()

    def start(self) -> None:
        """Build the wiring and the application, as a new process does."""
        self.moments = Moments(self._others)
        parts = self._parts
        store = GuardedStore(parts.engine, self.moments)
        hsm = GuardedHsm(parts.hsm, self.moments, parts.authorised)
        self.stage, cities = parts.rotation.stage, parts.rotation.cities
        found = replaced(platform, open_store=lambda _settings: store, load_cities=lambda _folder: cities)
        with found:
            self.built = wiring.build(
                parts.settings,
                clock=parts.clock,
                signer=parts.signer,
                hsm=cast(Hsm, hsm),
                desk=parts.desk,
                posts=parts.posts,
                wire_of=lambda _host: parts.wire,
            )
        self.app: Flask = parts.applications.create(self.name, self.built)

    @property
    def alive(self) -> bool:
        """Whether it can answer."""
        return self.moments.alive

    def handle(self, request: Request) -> Reply | None:
        """Answer a request; None when the process died before its answer left."""
        moments, self.busy = self.moments, True
        moments.luck, moments.where = request.luck, request.path
        try:
            reply = _ask(self.app, request)
            moments.before_answer()
        except Killed:
            return None
        else:
            return reply
        finally:
            moments.luck, self.busy = None, False

    def run_jobs(self, luck: Luck, *, sweep: bool) -> int:
        """Run the outbox as the job loop does, until nothing is due, after the sweeps if told; how many jobs were taken.

        One round is not enough: a row that may have ended a process is taken alone.
        """
        self.busy, self.moments.luck = True, luck
        taken = 0
        try:
            if sweep:
                self.built.runner.sweep()
            while more := self.built.runner.run_due():
                taken += more
        except (Killed, OtaError):
            return 0
        else:
            return taken
        finally:
            self.moments.luck, self.busy = None, False


def _ask(app: Flask, request: Request) -> Reply:
    path, _, query = request.path.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": "simulation",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_TYPE": request.media_type,
        "CONTENT_LENGTH": str(len(request.body)),
        "HTTP_ACCEPT": "application/json",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(request.body),
        "wsgi.errors": BytesIO(),
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    if request.token is not None:
        environ["HTTP_AUTHORIZATION"] = f"Bearer {request.token}"
    if request.key is not None:
        environ["HTTP_IDEMPOTENCY_KEY"] = request.key
    status: list[int] = []

    def start_response(line: str, _headers: object, _error: object = None) -> Callable[[bytes], object]:
        status.append(int(line[:3]))
        return lambda _data: None

    body = b"".join(app.wsgi_app(environ, start_response))
    return Reply(status[-1], body)
