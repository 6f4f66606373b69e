from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from ota import wiring
from ota.app import create_app
from ota.core.ids import new_id
from ota.core.principal import CallerKind
from ota.core.values import CityCode, TerminalNumber
from ota.settings import load
from ota.store.callers import Caller
from ota.store.idempotency import idempotency
from ota.store.migrations import upgrade
from ota.store.replay import replay_guard
from ota.store.second_factor import second_factor
from tests.web.platform import (
    AUDIENCE,
    OTP_SECRET,
    START,
    SetClock,
    TestKey,
    TestSigner,
    Things,
    make_blueprint,
)


@pytest.fixture(scope="session")
def keys() -> dict[str, TestKey]:
    """One key pair per party, made once: making them is slow."""
    return {name: TestKey(name) for name in ("platform", "wallet", "stranger")}


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory, keys: dict[str, TestKey]) -> Iterator[wiring.Wiring]:
    """A platform with four callers, built once: the web layer keeps nothing but keys and proofs in it."""
    clock = SetClock()
    data = tmp_path_factory.mktemp("web")
    settings = load(environ={}, overrides={"data": str(data), "tokens.audience": AUDIENCE})
    whole = wiring.build(settings, clock=clock, signer=TestSigner(keys["platform"], clock))
    upgrade(whole.store.engine)
    public = {"k1": keys["wallet"].jwk}
    callers = (
        Caller("wallet-1", CallerKind.WALLET, public, wallet="wallet-1"),
        Caller("gate-7", CallerKind.TERMINAL, public, CityCode("5880"), TerminalNumber("588000000007")),
        Caller("clerk", CallerKind.STAFF, public, roles=("agent",), otp_secret=OTP_SECRET),
        Caller("gone", CallerKind.WALLET, public, disabled=True),
    )
    for each in callers:
        whole.callers.register(each, clock.now())
    yield whole
    whole.store.close()


@pytest.fixture
def clock(platform: wiring.Wiring) -> SetClock:
    assert isinstance(platform.clock, SetClock)
    platform.clock.moment = START
    return platform.clock


@pytest.fixture
def built(platform: wiring.Wiring) -> wiring.Wiring:
    """The platform as new, with the routes of these tests."""
    with platform.store.begin() as tx:
        tx.execute(idempotency.delete())
        tx.execute(replay_guard.delete())
        tx.execute(second_factor.delete())
    return replace(platform, blueprints=(make_blueprint(),), services={Things: Things()})


@pytest.fixture
def app(built: wiring.Wiring) -> Flask:
    return create_app(built)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def things(built: wiring.Wiring) -> Things:
    found = built.services[Things]
    assert isinstance(found, Things)
    return found


@dataclass(frozen=True)
class Door:
    """Asks for tokens the way a caller does."""

    client: FlaskClient
    clock: SetClock
    key: TestKey

    def claims(self, caller_id: str = "wallet-1", **changes: Any) -> dict[str, Any]:
        """The claims of a good assertion; a change to None leaves the claim out."""
        now = int(self.clock.now().timestamp())
        good = {"iss": caller_id, "sub": caller_id, "aud": AUDIENCE, "iat": now, "exp": now + 120}
        claims = good | {"jti": new_id("jti")} | changes
        return {name: value for name, value in claims.items() if value is not None}

    def assertion(self, claims: dict[str, Any], **header: Any) -> str:
        payload = json.dumps(claims).encode()  # jwt.encode would refuse to write the wrong ones
        return jwt.api_jws.encode(
            payload, self.key.private, "ES256", headers={"typ": "JWT", "kid": "k1"} | header
        )

    def ask(self, assertion: str, **form: str) -> TestResponse:
        good = {
            "grant_type": "client_credentials",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": assertion,
        }
        return self.client.post(
            "/v1/token", data=urlencode(good | form), content_type="application/x-www-form-urlencoded"
        )

    def token(self, caller_id: str = "wallet-1", **form: str) -> str:
        answer = self.ask(self.assertion(self.claims(caller_id)), **form)
        assert answer.status_code == 200, answer.text
        return str(answer.json["access_token"]) if answer.json else ""

    def headers(self, caller_id: str = "wallet-1", **more: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(caller_id)}", **more}


@pytest.fixture
def door(client: FlaskClient, clock: SetClock, keys: dict[str, TestKey]) -> Door:
    return Door(client, clock, keys["wallet"])


Post = Callable[..., TestResponse]


@pytest.fixture
def make(client: FlaskClient, door: Door) -> Post:
    """POST a thing as the wallet, with an Idempotency-Key unless told otherwise."""
    authorization = door.headers()["Authorization"]

    def post(body: bytes | dict[str, Any], **headers: str) -> TestResponse:
        sent = {"Authorization": authorization, "Idempotency-Key": new_id("key")}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        if isinstance(body, dict):
            return client.post("/v1/things", json=body, headers=sent)
        content_type = sent.pop("Content-Type", "application/json")
        return client.post("/v1/things", data=body, headers=sent, content_type=content_type)

    return post
