"""A platform with a route of its own for every behaviour of the web layer, a settable clock and test keys."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import marshmallow as ma
from cryptography.hazmat.primitives.asymmetric import ec

from ota.core.errors import Conflict, Unauthenticated, Unavailable
from ota.web.endpoint import Blueprint, StoredAnswer, caller, endpoint, find, idempotency_key
from ota.web.fields import Hex, Text, Whole

AUDIENCE = "urn:ota:test"
START = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
OTP_SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # RFC 6238 appendix B


@dataclass
class SetClock:
    """A clock that stands until it is moved."""

    moment: datetime = START

    def now(self) -> datetime:
        return self.moment

    def advance(self, **delta: float) -> None:
        self.moment += timedelta(**delta)


@dataclass(frozen=True)
class TestKey:
    """An ES256 key pair made for one test run."""

    __test__ = False

    kid: str
    private: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )

    @property
    def jwk(self) -> dict[str, str]:
        numbers = self.private.public_key().public_numbers()
        x, y = (_base64url(number.to_bytes(32, "big")) for number in (numbers.x, numbers.y))
        return {"kty": "EC", "crv": "P-256", "kid": self.kid, "x": x, "y": y}


@dataclass(frozen=True)
class TestSigner:
    """The platform's signer, by a key of this run."""

    __test__ = False

    key: TestKey
    clock: SetClock

    def sign(self, claims: Mapping[str, object], *, type_: str) -> str:
        return jwt.encode(
            dict(claims), self.key.private, "ES256", headers={"typ": type_, "kid": self.key.kid}
        )

    def verify(self, token: str, *, type_: str, audience: str, required: Sequence[str]) -> dict[str, Any]:
        if jwt.get_unverified_header(token).get("typ") != type_:
            raise Unauthenticated
        claims: dict[str, Any] = jwt.decode(
            token,
            self.key.private.public_key(),
            ["ES256"],
            audience=audience,
            options={"require": list(required), "verify_exp": False, "verify_iat": False},
        )
        if claims["exp"] <= self.clock.now().timestamp():
            raise Unauthenticated
        return claims

    def jwks(self) -> dict[str, Any]:
        return {"keys": [self.key.jwk]}


@dataclass(frozen=True)
class Thing:
    name: str
    amount: int
    note: bytes


class ThingSchema(ma.Schema):
    name = Text(required=True, longest=20)
    amount = Whole(required=True, high=1000)
    note = Hex(most=4, load_default=b"")

    @ma.post_load
    def build(self, data: dict[str, Any], **_: Any) -> Thing:
        return Thing(**data)


class PageSchema(ma.Schema):
    page = ma.fields.Integer(load_default=1)


@dataclass
class Things:
    """A service that remembers what it was asked."""

    made: list[Thing] = field(default_factory=list)
    fail_with: Exception | None = None

    def make(self, thing: Thing) -> Thing:
        self.made.append(thing)
        if self.fail_with is not None:
            raise self.fail_with
        return thing


def make_blueprint() -> Blueprint:
    """The routes that the tests call."""
    things = Blueprint("things", __name__, url_prefix="/v1/things", description="For tests.")

    @things.post("")
    @endpoint(takes=ThingSchema, gives=ThingSchema, scope="topup:write", status=201, idempotent=True)
    def make_thing(thing: Thing) -> Thing:
        """Make a thing once."""
        assert idempotency_key()
        return find(Things).make(thing)

    @things.post("/<owner>/named/<name>")
    @endpoint(takes=ThingSchema, scope="topup:write")
    def name_thing(owner: str, name: str, thing: Thing) -> dict[str, str]:
        """Say the path and the body back."""
        return {"owner": owner, "name": name, "thing": thing.name, "caller": caller().id}

    @things.get("/<name>")
    @endpoint(query=PageSchema, scope="topup:read")
    def read_thing(name: str, page: dict[str, int]) -> dict[str, object]:
        """Say the query back."""
        return {"name": name, **page}

    @things.get("/stored")
    @endpoint(scope="topup:read")
    def read_stored() -> StoredAnswer:
        """An answer that was stored."""
        return StoredAnswer(b'{"b": 1,  "a": 2}')

    @things.get("/mistake")
    @endpoint(scope="topup:read")
    def mistake() -> None:
        """A bug."""
        raise RuntimeError("secret: 3104890000000000123")

    @things.get("/down")
    @endpoint(scope="topup:read")
    def down() -> None:
        """Something is away."""
        raise Unavailable

    @things.get("/other-state")
    @endpoint(scope="topup:read")
    def other_state() -> None:
        """A conflict."""
        raise Conflict(details={"seq": 3})

    @things.get("/undeclared")
    def undeclared() -> str:
        """A route whose author forgot the policy."""
        return "never sent"

    return things


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
