"""The real platform in process: a migrated database, published test keys, registered callers, numbers in stock."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, cached_property
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar, cast
from unittest.mock import patch

import pytest
import sqlalchemy as sa
from flask import Flask
from werkzeug.test import TestResponse

from ota import settings as configuration
from ota import wiring
from ota.app import create_app, found_by_routes
from ota.cities.loader import Cities, load_cities
from ota.core.values import CardNumber
from ota.hsm_adapter.software import KeyStore
from ota.hsm_adapter.test_keys import provision_test_keys
from ota.registry import numbers
from ota.sandbox.element.card_os import Element
from ota.store.engine import open_engine
from ota.store.phases import Store
from ota.web.scopes import scopes_of
from tests.databases import PostgresServer, Templates
from tests.elements import described
from tests.parties import PARTIES
from tests.phone import Conversation, Reply, through
from tests.web.platform import SetClock

CONFIG = Path(__file__).parent.parent / "config"
IN_STOCK = 6
Body = dict[str, Any]
Service = TypeVar("Service")


_APPS: list[Flask] = []


def app_of(built: wiring.Wiring) -> Flask:
    """The application over this wiring; its routes are made once in a process, since making them takes long."""
    if not _APPS:
        _APPS.append(create_app(built))
    app = copy(_APPS[0])
    app.extensions = _APPS[0].extensions | found_by_routes(built)
    return app


@dataclass
class Platform:
    """One installation, as its callers meet it."""

    settings: configuration.Settings
    clock: SetClock = field(default_factory=SetClock)
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    @cached_property
    def built(self) -> wiring.Wiring:
        with patch.object(wiring.platform, "load_cities", lambda folder: cities_of(folder.parent)):
            built = wiring.build(self.settings, clock=self.clock)
        hurry(built.store.engine)
        return built

    @cached_property
    def app(self) -> Flask:
        return app_of(self.built)

    def another_process(self) -> Platform:
        """A second process of the same installation: nothing shared but database, keys and time."""
        other = Platform(self.settings, self.clock)
        other._numbers = self._numbers
        return other

    def service(self, kind: type[Service]) -> Service:
        return cast(Service, self.built.services[kind])

    def fresh(self, what: str) -> str:
        """A name that was not used before."""
        return f"{what}-{next(self._numbers)}"

    # What callers send -----------------------------------------------------------------------------------------

    def headers(self, by: str, key: str | None = None) -> dict[str, str]:
        caller = PARTIES[by].caller
        token = self.built.tokens.issue_access(caller, scopes_of(caller.kind, caller.roles))
        return {"Authorization": f"Bearer {token}", "Idempotency-Key": key or self.fresh("key")}

    def post(
        self, path: str, body: Body | None = None, *, by: str = "wallet", key: str | None = None
    ) -> TestResponse:
        return self.app.test_client().post(path, json=body, headers=self.headers(by, key))

    def get(self, path: str, *, by: str = "wallet") -> TestResponse:
        return self.app.test_client().get(path, headers=self.headers(by))

    def payment(self, amount: int, trade: str | None = None, *, by: str = "wallet", **changes: Any) -> str:
        """A signed payment fact; a change to None leaves the claim out."""
        claims = {
            "iss": by,
            "aud": self.settings.tokens.audience,
            "iat": int(self.clock.now().timestamp()),
            "channel": "alipay",
            "trade_no": trade or self.fresh("trade"),
            "amount_fen": amount,
            "currency": "CNY",
            "paid_at": self.clock.now().isoformat(),
        } | changes
        return PARTIES[by].sign({name: value for name, value in claims.items() if value is not None})

    # Sessions --------------------------------------------------------------------------------------------------

    def conversation(self, opened: Body, card: Element | Reply) -> Conversation:
        """The phone's side of a session that was just opened, over the session's own token."""
        reply = through(card) if isinstance(card, Element) else card
        token = opened["token"]

        def send(session_id: str, report: Body) -> TestResponse:
            headers = {"Authorization": f"Bearer {token}"}
            path = f"/v1/sessions/{session_id}/results"
            return self.app.test_client().post(path, json=report, headers=headers)

        return Conversation(opened["batch"], send, reply, token)

    def try_open(
        self, order_id: str, element: Element | None = None, *, by: str = "wallet", **more: Any
    ) -> TestResponse:
        body: Body = {"order_id": order_id} | more
        if element is not None:
            body.setdefault("se", described(element))
        return self.post("/v1/sessions", body, by=by)

    def open(
        self, order_id: str, element: Element, *, reply: Reply | None = None, by: str = "wallet", **more: Any
    ) -> Conversation:
        answer = self.try_open(order_id, element, by=by, **more)
        assert answer.status_code == 201, answer.text
        return self.conversation(_body(answer), reply or element)

    # Orders ----------------------------------------------------------------------------------------------------

    def order_card(self, element: Element, city: str = "guangzhou", **more: Any) -> Body:
        answer = self.post("/v1/issuances", {"city": city, "se_id": element.se_id} | more)
        assert answer.status_code == 201, answer.text
        return _body(answer)

    def issue(self, element: Element, city: str = "guangzhou", **more: Any) -> str:
        """The number of a card that was issued to the element."""
        order = self.order_card(element, city, **more)
        ending = self.open(order["order_id"], element).finish()
        assert ending["state"] == "done", ending
        return str(order["card_no"])

    def order_topup(self, card_no: str, amount: int = 5000, *, by: str = "wallet", **more: Any) -> Body:
        """A paid order; ``payment=None`` leaves it unpaid."""
        body = {"card_no": card_no, "amount_fen": amount, "payment": self.payment(amount, by=by)} | more
        answer = self.post(
            "/v1/topups", {key: value for key, value in body.items() if value is not None}, by=by
        )
        assert answer.status_code == 201, answer.text
        return _body(answer)

    def top_up(self, card_no: str, element: Element, amount: int = 5000) -> Body:
        """Order and load; the ending of the session."""
        order = self.order_topup(card_no, amount)
        return self.open(order["order_id"], element).finish()

    def topup_state(self, order_id: str, by: str = "wallet") -> str:
        return str(_body(self.get(f"/v1/topups/{order_id}", by=by))["state"])

    def issuance_state(self, order_id: str) -> str:
        return str(_body(self.get(f"/v1/issuances/{order_id}"))["state"])

    # The database ----------------------------------------------------------------------------------------------

    def rows(self, statement: str, **values: Any) -> list[Any]:
        """Rows that compare like tuples and have their columns by name."""
        with self.built.store.read() as tx:
            return list(tx.execute(sa.text(statement), values))

    def change(self, statement: str, **values: Any) -> None:
        with self.built.store.begin() as tx:
            tx.execute(sa.text(statement), values)


def hurry(engine: sa.Engine) -> None:
    """Let SQLite not wait for the disk: no test pulls the plug, so waiting would prove nothing."""
    if engine.dialect.name == "sqlite":
        sa.event.listen(
            engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous = OFF")
        )


@contextmanager
def opened_store(url: str) -> Iterator[Store]:
    """The store of a migrated database, without a platform around it."""
    engine = open_engine(url, wait_s=20)
    hurry(engine)
    store = Store(engine)
    try:
        yield store
    finally:
        store.close()


def _body(answer: TestResponse) -> Body:
    return cast(Body, answer.json)


def problem(answer: TestResponse) -> tuple[int, str]:
    """Status and code of a refusal."""
    assert answer.mimetype == "application/problem+json", answer.text
    return answer.status_code, _body(answer)["code"]


def number(serial: int, city: str = "guangzhou") -> CardNumber:
    """A card number of a city."""
    return cities_of(CONFIG).by_name(city).number(serial)


@cache
def cities_of(config: Path) -> Cities:
    """The cities of a configuration folder."""
    return load_cities(config / "cities")


MakePlatform = Callable[..., Platform]
Edits = Mapping[str, Sequence[tuple[str, str]]]


def edited_config(folder: Path, edits: Edits, more: Mapping[str, str]) -> Path:
    """A copy of the shipped configuration in which texts of files were replaced and files added."""
    copy = folder / "config"
    shutil.copytree(CONFIG, copy)
    for name, changes in edits.items():
        text = (copy / name).read_text(encoding="utf-8")
        for old, new in changes:
            assert old in text, f"{name} does not hold {old!r}"
            text = text.replace(old, new)
        (copy / name).write_text(text, encoding="utf-8")
    for name, text in more.items():
        (copy / name).write_text(text, encoding="utf-8")
    return copy


def settings_of(data: Path, database_url: str, config: Path = CONFIG) -> configuration.Settings:
    """The settings of a sandbox."""
    return configuration.load(
        config=config,
        environ={},
        overrides={"data": str(data), "environment": "sandbox", "database.url": database_url},
    )


def install(data: Path, database_url: str, config: Path = CONFIG) -> Platform:
    """An installation with keys, callers and a few numbers of every city."""
    provision_test_keys(KeyStore(data, environment="sandbox"))
    platform = Platform(settings_of(data, database_url, config))
    _stock_up(platform, platform.clock.now())
    return platform


def _stock_up(platform: Platform, now: datetime) -> None:
    for party in PARTIES.values():
        platform.built.callers.register(party.caller, now)
    with platform.built.store.begin() as tx:
        for city in cities_of(platform.settings.config):
            numbers.add(tx, city.code, [city.number(serial) for serial in range(IN_STOCK)], now)


@pytest.fixture
def sqlite_url(tmp_path: Path, migrated_databases: Templates) -> str:
    """A migrated SQLite database of this test's own."""
    shutil.copy(migrated_databases.sqlite, path := tmp_path / "ota.sqlite3")
    return f"sqlite:///{path}"


@dataclass(frozen=True)
class Stocked:
    """What every installation begins with: a data folder with keys, and a database of each kind with callers."""

    data: Path
    databases: Templates

    def copy_to(self, folder: Path) -> tuple[Path, str]:
        """A data folder and a SQLite database of one's own."""
        shutil.copytree(self.data, data := folder / "data")
        shutil.copy(self.databases.sqlite, path := folder / "ota.sqlite3")
        return data, f"sqlite:///{path}"


_STOCKED: dict[Path, Stocked] = {}


def stocked(migrated: Templates, server: PostgresServer, folders: pytest.TempPathFactory) -> Stocked:
    """Made once in a process: stocking up takes longer than most tests."""
    if migrated.sqlite not in _STOCKED:
        folder = folders.mktemp("stocked")
        shutil.copy(migrated.sqlite, sqlite := folder / "ota.sqlite3")
        postgresql = server.create(migrated.postgresql)
        for url in (f"sqlite:///{sqlite}", server.url_of(postgresql)):
            install(folder / "data", url).built.store.close()
        _STOCKED[migrated.sqlite] = Stocked(folder / "data", Templates(sqlite, postgresql))
    return _STOCKED[migrated.sqlite]


@pytest.fixture
def make_platform(
    tmp_path: Path,
    migrated_databases: Templates,
    postgres_server: PostgresServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[MakePlatform]:
    """Install a platform on SQLite: ``edits`` by file name (old text, new text), ``more`` files by name."""
    made: list[Platform] = []

    def make(edits: Edits = MappingProxyType({}), more: Mapping[str, str] = MappingProxyType({})) -> Platform:
        data, url = stocked(migrated_databases, postgres_server, tmp_path_factory).copy_to(tmp_path)
        if edits or more:
            made.append(install(data, url, edited_config(tmp_path, edits, more)))
        else:
            made.append(Platform(settings_of(data, url)))
        return made[-1]

    yield make
    for platform in made:
        platform.built.store.close()


@pytest.fixture
def platform(make_platform: MakePlatform) -> Platform:
    """The platform as it is shipped, on SQLite: for what does not depend on the database."""
    return make_platform()


@pytest.fixture(params=["sqlite", "postgresql"])
def any_platform(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    migrated_databases: Templates,
    postgres_server: PostgresServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Platform]:
    """The platform as it is shipped, once on SQLite and once on PostgreSQL."""
    stock = stocked(migrated_databases, postgres_server, tmp_path_factory)
    data, url = stock.copy_to(tmp_path)
    with ExitStack() as stack:
        if request.param == "postgresql":
            url = stack.enter_context(postgres_server.database(stock.databases.postgresql))
        platform = Platform(settings_of(data, url))
        stack.callback(platform.built.store.close)
        yield platform
