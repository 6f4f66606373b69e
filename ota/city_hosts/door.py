"""Lets cities' hosts in by the signature of their messages, each message once, and signs what they are answered."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ota.core.clock import Clock
from ota.core.errors import InvalidValue
from ota.hsm_adapter.city_host.errors import MessageSignatureWrong
from ota.hsm_adapter.city_host.message_keys import MessageKey, Verifiers
from ota.hsm_adapter.city_host.signatures import Request, signed_answer, verify_request

_log = logging.getLogger(__name__)


class Replays(Protocol):
    """Remembers single-use proofs."""

    def use(self, issuer: str, jti: str, expires: datetime) -> None:
        """Use the proof up; raises TokenReplayed the second time."""
        ...


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A city that exchanges messages with this platform: its name, its keys, and ours for it."""

    city: str
    keys: Verifiers
    our_key: MessageKey


@dataclass(frozen=True, slots=True)
class Visit:
    """A message that was let in."""

    neighbour: Neighbour
    request: Request

    @property
    def city(self) -> str:
        """The name of the city that sent it."""
        return self.neighbour.city


class CityDoor:
    """One for all cities: a key's id says whose message it is. Raises InvalidValue for an id that two cities use."""

    def __init__(self, neighbours: Iterable[Neighbour], replays: Replays, clock: Clock) -> None:
        self._by_key: dict[str, Neighbour] = {}
        for neighbour in neighbours:
            for key_id in neighbour.keys:
                if key_id in self._by_key:
                    raise InvalidValue("city_keys", f"ids that only one city uses, unlike {key_id}")
                self._by_key[key_id] = neighbour
        self._keys = {key_id: found.keys[key_id] for key_id, found in self._by_key.items()}
        self._replays = replays
        self._clock = clock

    def enter(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Visit:
        """Whose message it is; header names in lower case. Raises MessageSignatureWrong, TokenReplayed."""
        request = Request(method, path, body, headers)
        try:
            proof = verify_request(request, self._keys, self._clock.now())
        except MessageSignatureWrong as wrong:
            _log.warning("a message of a city host was refused: %s", wrong.why)
            raise
        neighbour = self._by_key[proof.key_id]
        self._replays.use(f"city:{neighbour.city}", proof.nonce, proof.expires)
        return Visit(neighbour, request)

    def sign(self, visit: Visit, status: int, body: bytes) -> Mapping[str, str]:
        """The headers that make an answer ours, for this visit's request only."""
        answer = signed_answer(visit.neighbour.our_key, visit.request, status, body, self._clock.now())
        return answer.headers
