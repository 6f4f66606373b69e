"""Two platforms for tests: their keys, a clock that stands still, and a host that answers as it is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from ota.core.values import CardNumber
from ota.hsm_adapter.city_host.client import CityHost
from ota.hsm_adapter.city_host.message_keys import MessageKey
from ota.hsm_adapter.city_host.signatures import Answer, Request, signed_answer, verify_request

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
CARD = CardNumber("3104870712345678906")


class StandingClock:
    """Always the same moment."""

    def now(self) -> datetime:
        return NOW


def a_key(name: str) -> MessageKey:
    return MessageKey(name, ec.generate_private_key(ec.SECP256R1()))


OURS, CITYS, STRANGERS = a_key("province-1"), a_key("foshan-1"), a_key("foshan-1")

Respond = Callable[[Request, dict[str, Any]], tuple[int, object]]


def echoing(state: str, **more: Any) -> Respond:
    """A good answer: the question's names, a state and some more."""

    def respond(_: Request, asked: dict[str, Any]) -> tuple[int, object]:
        init = asked.get("init", {})
        known: dict[str, Any] = {name: asked[name] for name in ("load_id", "card_no") if name in asked}
        return 200, {**known, "online_atc": init.get("online_atc"), "state": state, **more}

    return respond


def refusing(code: str, status: int = 422) -> Respond:
    """A refusal in the host's own words."""
    return lambda _request, _asked: (status, {"code": code})


@dataclass
class Host:
    """The other end of a wire. ``key`` signs its answers; ``spoil`` may change one after it was signed."""

    respond: Respond
    key: MessageKey = CITYS
    spoil: Callable[[Answer], Answer] = lambda answer: answer
    path: str = "/tsm"
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def send(self, request: Request) -> Answer:
        verify_request(request, {OURS.name: OURS.public}, NOW)
        body = json.loads(request.body)
        self.asked.append((request.path, body))
        status, said = self.respond(request, body)
        answer = said if isinstance(said, bytes) else json.dumps(said).encode()
        return self.spoil(signed_answer(self.key, request, status, answer, NOW))

    def client(self) -> CityHost:
        return CityHost("foshan", self, OURS, {CITYS.name: CITYS.public}, StandingClock())
