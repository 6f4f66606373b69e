"""What the web needs from the store and the HSM adapter, in its own words; the wiring connects them."""
# ruff: noqa: D102  a property's name says what it is

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from ota.core.principal import CallerKind
from ota.core.values import CityCode, TerminalNumber


class Signer(Protocol):
    """Signs and checks the platform's own tokens: the HSM adapter's ES256 key."""

    def sign(self, claims: Mapping[str, object], *, type_: str) -> str:
        """A compact JWS with this ``typ``."""
        ...

    def verify(self, token: str, *, type_: str, audience: str, required: Sequence[str]) -> Mapping[str, Any]:
        """The claims of a token that holds; raises otherwise."""
        ...

    def jwks(self) -> Mapping[str, Any]:
        """The public keys as a JWK set."""
        ...


class Caller(Protocol):
    """A caller as the store knows it; ``keys`` maps key ids to public JWKs."""

    @property
    def id(self) -> str: ...
    @property
    def kind(self) -> CallerKind: ...
    @property
    def keys(self) -> Mapping[str, Mapping[str, str]]: ...
    @property
    def city(self) -> CityCode | None: ...
    @property
    def terminal(self) -> TerminalNumber | None: ...
    @property
    def roles(self) -> tuple[str, ...]: ...
    @property
    def otp_secret(self) -> str | None: ...
    @property
    def channels(self) -> tuple[str, ...] | None: ...
    @property
    def disabled(self) -> bool: ...


class CallerDirectory(Protocol):
    """Where callers are found by their id."""

    def find(self, caller_id: str) -> Caller | None:
        """The caller with its live keys, or None."""
        ...


class Replays(Protocol):
    """Remembers single-use proofs."""

    def use(self, issuer: str, jti: str, expires: datetime) -> None:
        """Use the proof up; raises Unauthenticated the second time."""
        ...


class SecondFactors(Protocol):
    """Limits the guesses at a second factor, and lets each code be used once."""

    def begin_try(self, caller_id: str) -> None:
        """Count a try before its code is looked at; raises Unauthenticated when there were too many."""
        ...

    def accept(self, caller_id: str, step: int) -> bool:
        """Take the right code of a time step; False when it was taken before."""
        ...


class Codes(Protocol):
    """Checks one-time passwords; the secrets stay sealed."""

    def matching_step(self, caller_id: str, kept: str, code: str, at: datetime) -> int | None:
        """The time step whose code was given; None when none matches."""
        ...


class Reply(Protocol):
    """A stored answer."""

    @property
    def status(self) -> int: ...
    @property
    def body(self) -> bytes: ...


class Claim(Protocol):
    """The right to answer an Idempotency-Key, or the answer that is stored for it."""

    @property
    def stored(self) -> Reply | None: ...


class Answers(Protocol):
    """Where Idempotency-Keys are claimed and answers kept."""

    def claim(self, principal: str, key: str, digest: bytes) -> Claim:
        """Take the key; the claim carries the answer if there is one already."""
        ...

    def finish(self, claim: Any, status: int, body: bytes) -> Reply:
        """Store the answer and give back what to send."""
        ...

    def release(self, claim: Any, *, keep_digest: bool) -> None:
        """Give the key back unanswered."""
        ...
