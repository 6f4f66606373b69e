"""The real platform in process: a migrated database, published test keys, registered callers, numbers in stock."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, cached_property
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar, cast

import jwt
import pytest
import sqlalchemy as sa
from flask import Flask
from werkzeug.test import TestResponse

from ota import settings as configuration
from ota import wiring
from ota.app import create_app
from ota.cities.loader import Cities, load_cities
from ota.core.principal import CallerKind, Principal
from ota.core.values import CardNumber, CityCode, TerminalNumber
from ota.hsm_adapter.software import KeyStore
from ota.hsm_adapter.test_keys import provision_test_keys
from ota.registry import numbers
from ota.sandbox.element.card_os import Element
from ota.store.callers import Caller
from ota.store.engine import open_engine
from ota.store.phases import Store
from ota.web.scopes import scopes_of
from tests.databases import Templates
from tests.elements import described
from tests.phone import Conversation, Reply, through
from tests.web.platform import SetClock, TestKey

CONFIG = Path(__file__).parent.parent / "config"
FOSHAN_TERMINAL = TerminalNumber("588000000007")
IN_STOCK = 6
Body = dict[str, Any]
Service = TypeVar("Service")


@dataclass(frozen=True)
class Party:
    """A caller and the private key that is its own."""

    caller: Caller
    key: TestKey

    @property
    def id(self) -> str:
        return self.caller.id

    @property
    def principal(self) -> Principal:
        """The caller as services see it, every scope of its kind included."""
        caller = self.caller
        scopes = scopes_of(caller.kind, caller.roles)
        return Principal(caller.kind, caller.id, scopes, caller.city, caller.terminal)

    def sign(self, claims: Mapping[str, Any], **header: Any) -> str:
        """A compact JWS of any claims, also wrong ones."""
        payload = json.dumps(claims).encode()
        return jwt.api_jws.encode(
            payload, self.key.private, "ES256", headers={"typ": "payment+jwt", "kid": "k1"} | header
        )


def _parties() -> dict[str, Party]:
    def make(name: str, kind: CallerKind, **more: Any) -> Party:
        key = TestKey("k1")
        return Party(Caller(name, kind, {"k1": key.jwk}, **more), key)

    foshan, dongguan = CityCode("5880"), CityCode("6020")
    everyone = (
        make("wallet", CallerKind.WALLET),
        make("rival", CallerKind.WALLET),
        make("terminal", CallerKind.TERMINAL, city=foshan, terminal=FOSHAN_TERMINAL),
        make("kiosk", CallerKind.TERMINAL, city=dongguan, terminal=TerminalNumber("602000000001")),
        make("clerk", CallerKind.STAFF, roles=("agent",)),
        make("supervisor", CallerKind.STAFF, roles=("supervisor",)),
        make("second", CallerKind.STAFF, roles=("supervisor",)),
        make("foshan-supervisor", CallerKind.STAFF, roles=("supervisor",), city=foshan),
    )
    return {party.id: party for party in everyone}


PARTIES = _parties()


@dataclass
class Platform:
    """One installation, as its callers meet it."""

    settings: configuration.Settings
    clock: SetClock = field(default_factory=SetClock)
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    @cached_property
    def built(self) -> wiring.Wiring:
        built = wiring.build(self.settings, clock=self.clock)
        hurry(built.store.engine)
        return built

    @cached_property
    def app(self) -> Flask:
        return create_app(self.built)

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


def install(data: Path, database_url: str, config: Path = CONFIG) -> Platform:
    """An installation with keys, callers and a few numbers of every city."""
    settings = configuration.load(
        config=config,
        environ={},
        overrides={"data": str(data), "environment": "sandbox", "database.url": database_url},
    )
    provision_test_keys(KeyStore(data, environment="sandbox"))
    platform = Platform(settings)
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


@pytest.fixture
def make_platform(tmp_path: Path, sqlite_url: str) -> Iterator[MakePlatform]:
    """Install a platform on SQLite: ``edits`` by file name (old text, new text), ``more`` files by name."""
    made: list[Platform] = []

    def make(edits: Edits = MappingProxyType({}), more: Mapping[str, str] = MappingProxyType({})) -> Platform:
        config = edited_config(tmp_path, edits, more) if edits or more else CONFIG
        made.append(install(tmp_path / "data", sqlite_url, config))
        return made[-1]

    yield make
    for platform in made:
        platform.built.store.close()


@pytest.fixture
def platform(make_platform: MakePlatform) -> Platform:
    """The platform as it is shipped, on SQLite: for what does not depend on the database."""
    return make_platform()


@pytest.fixture
def any_platform(tmp_path: Path, migrated_database_url: str) -> Iterator[Platform]:
    """The platform as it is shipped, once on SQLite and once on PostgreSQL."""
    installed = install(tmp_path / "data", migrated_database_url)
    yield installed
    installed.built.store.close()
