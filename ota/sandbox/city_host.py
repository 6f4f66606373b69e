"""A self-issuing city's own platform, simulated: its card room's keys, its books of loads, and its bad days.

It knows its own cards, keeps one open load per card, and answers the five questions of PROTOCOL.md in signed messages.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from threading import Lock
from typing import Any, Final

from ota.sandbox.city_host_messages import Forged, Post, Said, Signature, check_post
from ota.sandbox.element import Algorithm
from ota.sandbox.element import purse_crypto as purse
from ota.sandbox.witness import card_key

_ALGORITHMS: Final = {0x00: Algorithm.TDES, 0x01: Algorithm.SM4, 0x04: Algorithm.SM4}
Json = dict[str, Any]
Clock = Callable[[], float]


class Fault(StrEnum):
    """What goes wrong with one message. The first three give no answer, the others one that must not count."""

    DOWN = "down"
    """Nobody listens: the question is not heard."""
    LOST = "lost"
    """The question is lost on its way."""
    LATE = "late"
    """The question is carried out, its answer comes too late."""
    WRONG_SIGNATURE = "wrong_signature"
    UNSIGNED = "unsigned"
    ALTERED = "altered"
    """The body is changed after it was signed."""
    OLD_ANSWER = "old_answer"
    """The answer to the question before."""
    OTHER_CARD = "other_card"
    """A well signed answer with another card's number and MAC2."""
    OTHER_MAC2 = "other_mac2"
    """A well signed answer for the right load with a MAC2 that is another card's; only the card can tell."""
    TWICE = "twice"
    """The network delivers the question twice."""
    BROKEN = "broken"
    """A signed 500."""


class HostDown(Exception):
    """No connection."""


class HostSilent(Exception):
    """A connection, and no answer in time."""


@dataclass
class BookedLoad:
    """A load in the city's books."""

    card_no: str
    state: str
    asked: Json = field(default_factory=dict)
    mac2: str = ""


class Problem(Exception):
    """A refusal by its code."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


class CityHost:
    """One city's platform. ``platform_keys`` maps our key ids to their public points (x and y).

    ``faults`` holds what goes wrong with the next messages of a verb, in order.
    """

    def __init__(
        self,
        issuer_code: str,
        signature: Signature,
        platform_keys: Mapping[str, tuple[str, str]],
        clock: Clock | None = None,
    ) -> None:
        self._issuer_id = bytes.fromhex(issuer_code + "FF" * 4)
        self._signature = signature
        self._platform_keys = platform_keys
        self._clock = clock
        self._guard = Lock()
        self._last: Said | None = None
        self.loads: dict[str, BookedLoad] = {}
        self.blocked: set[str] = set()
        self.faults: dict[str, deque[Fault]] = {}
        self.heard: list[str] = []

    def plan(self, verb: str, *faults: Fault) -> None:
        """Let the next messages of a verb go wrong in these ways."""
        self.faults.setdefault(verb, deque()).extend(faults)

    def serve(self, post: Post) -> Said:
        """Answer one message; raises HostDown or HostSilent."""
        verb = post.path.rpartition("/")[2]
        with self._guard:
            waiting = self.faults.get(verb)
            fault = waiting.popleft() if waiting else None
            if fault is Fault.DOWN:
                raise HostDown
            if fault is Fault.LOST:
                raise HostSilent
            said = self._answer(post, verb, fault)
            if fault is Fault.TWICE:
                said = self._answer(post, verb, None)
            before, self._last = self._last, said
        if fault is Fault.LATE:
            raise HostSilent
        return _spoiled(said, before, fault)

    def _answer(self, post: Post, verb: str, fault: Fault | None) -> Said:
        try:
            check_post(post, self._platform_keys)
            self.heard.append(verb)
            status, told = 200, self._carry_out(verb, json.loads(post.body))
        except Forged:
            status, told = 401, {"code": "message_signature_wrong"}
        except Problem as problem:
            status, told = problem.status, {"code": problem.code}
        if fault is Fault.BROKEN:
            status, told = 500, {"code": "internal"}
        if fault is Fault.OTHER_CARD:
            told = told | {"card_no": "3104870799999999996", "mac2": "01020304"}
        if fault is Fault.OTHER_MAC2:
            told = told | {"mac2": "01020304"}
        key = Signature.make(self._signature.key_id) if fault is Fault.WRONG_SIGNATURE else self._signature
        now = self._clock() if self._clock is not None else None
        return key.say(post, status, json.dumps(told).encode(), now)

    def _carry_out(self, verb: str, asked: Json) -> Json:
        verbs = {
            "check": self._check,
            "authorise": self._authorise,
            "confirm": self._confirm,
            "void": self._void,
            "query": self._query,
        }
        if verb not in verbs:
            raise Problem(404, "not_found")
        return verbs[verb](asked)

    def _check(self, asked: Json) -> Json:
        if asked["card_no"] in self.blocked:
            raise Problem(422, "card_blocked")
        self._session(asked, check=True)
        return {"card_no": asked["card_no"], "online_atc": asked["init"]["online_atc"], "mac1": "holds"}

    def _authorise(self, asked: Json) -> Json:
        load_id, card_no = asked["load_id"], asked["card_no"]
        known = self.loads.get(load_id)
        if known is None:
            self._check(asked)
            if any(load.card_no == card_no and load.state == "authorised" for load in self.loads.values()):
                raise Problem(409, "card_has_open_load")
            known = self.loads[load_id] = BookedLoad(card_no, "authorised", asked, self._mac2(asked))
        if known.state != "authorised" or known.asked != asked:
            raise Problem(409, f"load_{known.state}")
        return self._view(load_id, known) | {"online_atc": asked["init"]["online_atc"]}

    def _confirm(self, asked: Json) -> Json:
        known = self._known(asked)
        if known.state == "void":
            raise Problem(409, "load_void")
        if asked["tac"] is not None and asked["tac"] != self._tac(known.asked):
            raise Problem(422, "tac_wrong")
        known.state = "loaded"
        return self._view(asked["load_id"], known)

    def _void(self, asked: Json) -> Json:
        known = self.loads.setdefault(asked["load_id"], BookedLoad(asked["card_no"], "void"))
        if known.state == "loaded":
            raise Problem(409, "load_loaded")
        known.state = "void"
        return self._view(asked["load_id"], known)

    def _query(self, asked: Json) -> Json:
        if asked["load_id"] not in self.loads:
            return {"load_id": asked["load_id"], "card_no": asked["card_no"], "state": "unheard"}
        return self._view(asked["load_id"], self._known(asked))

    def _known(self, asked: Json) -> BookedLoad:
        known = self.loads.get(asked["load_id"])
        if known is None or known.card_no != asked["card_no"]:
            raise Problem(404, "load_unknown")
        return known

    @staticmethod
    def _view(load_id: str, known: BookedLoad) -> Json:
        view = {"load_id": load_id, "card_no": known.card_no, "state": known.state}
        return view | ({"mac2": known.mac2} if known.state == "authorised" else {})

    def _session(self, asked: Json, *, check: bool = False) -> bytes:
        """The load's session key, from the city's own masters; raises Problem for a MAC1 that does not hold."""
        init = asked["init"]
        counter = init["online_atc"].to_bytes(2, "big")
        algorithm = _ALGORITHMS[init["algorithm"]]
        key = self._key("load", algorithm, asked)
        session = purse.session_key(algorithm, key, bytes.fromhex(init["random"]) + counter + b"\x80\x00")
        balance = init["balance"].to_bytes(4, "big")
        mac1 = purse.transaction_mac(algorithm, session, balance + _terms(asked))
        if check and mac1 != bytes.fromhex(init["mac1"]):
            raise Problem(422, "mac1_wrong")
        return session

    def _mac2(self, asked: Json) -> str:
        data = _terms(asked) + bytes.fromhex(asked["host_time"])
        algorithm = _ALGORITHMS[asked["init"]["algorithm"]]
        return purse.transaction_mac(algorithm, self._session(asked), data).hex().upper()

    def _tac(self, asked: Json) -> str:
        init = asked["init"]
        algorithm = _ALGORITHMS[init["algorithm"]]
        key = purse.tac_key(algorithm, self._key("tac", algorithm, asked), sm4_xor=False)
        after = (init["balance"] + asked["amount_fen"]).to_bytes(4, "big")
        data = after + init["online_atc"].to_bytes(2, "big") + _terms(asked)
        return purse.transaction_mac(algorithm, key, data + bytes.fromhex(asked["host_time"])).hex().upper()

    def _key(self, role: str, algorithm: Algorithm, asked: Json) -> bytes:
        return card_key(role, algorithm, self._factors(asked))

    def _factors(self, asked: Json) -> tuple[bytes, bytes]:
        return self._issuer_id, bytes.fromhex(asked["card_no"][-16:])


def _terms(asked: Json) -> bytes:
    amount = int(asked["amount_fen"]).to_bytes(4, "big")
    return amount + bytes((asked["transaction_type"],)) + bytes.fromhex(asked["terminal_no"])


def _spoiled(said: Said, before: Said | None, fault: Fault | None) -> Said:
    if fault is Fault.UNSIGNED:
        return Said(said.status, said.body)
    if fault is Fault.ALTERED:
        return Said(said.status, said.body + b" ", said.headers)
    if fault is Fault.OLD_ANSWER and before is not None:
        return before
    return said
