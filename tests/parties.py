"""The callers that a platform under test knows, each with a key made for this run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from ota.core.principal import CallerKind, Principal
from ota.core.values import CityCode, TerminalNumber
from ota.store.callers import Caller
from ota.web.scopes import scopes_of
from tests.web.platform import TestKey

FOSHAN_TERMINAL = TerminalNumber("588000000007")


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
