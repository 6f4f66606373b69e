"""Asks one city's host about its cards' loads, in signed messages; believes only answers made for the question.

``/loads/check`` and ``/loads/query`` are pure; ``/loads/authorise``, ``/loads/confirm`` and ``/loads/void`` are idempotent
by our load id (PROTOCOL.md, city hosts). Nothing here repeats a request or remembers a load: `ota.city_hosts` does.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NoReturn, Protocol

from ota.core.values import Mac4
from ota.hsm_adapter.city_host.errors import (
    CityHostRefused,
    CityHostUnavailable,
    CityHostUnknown,
    MessageSignatureWrong,
)
from ota.hsm_adapter.city_host.signatures import Answer, Request, signed_request, verify_answer
from ota.hsm_adapter.city_host.wire import NoAnswer, NothingSent
from ota.hsm_adapter.errors import Mac1Wrong, TacWrong

if TYPE_CHECKING:
    from ota.card.purse import Load
    from ota.core.clock import Clock
    from ota.core.values import CardNumber
    from ota.hsm_adapter.city_host.message_keys import MessageKey, Verifiers

_log = logging.getLogger(__name__)

BUSY: Final = "busy"
"""The one refusal that decides nothing: the same load is being worked on."""

_MAC: Final = re.compile(r"[0-9A-Fa-f]{8}", re.ASCII)
_CODE: Final = re.compile(r"[a-z][a-z0-9_]{0,47}", re.ASCII)


class Wire(Protocol):
    """Carries requests to one host: `HttpWire`, or a host in the same process."""

    @property
    def path(self) -> str:
        """What every request's path begins with."""
        ...

    def send(self, request: Request) -> Answer:
        """The answer; raises NothingSent or NoAnswer."""
        ...


class HostLoadState(StrEnum):
    """What a host knows of a load id."""

    UNHEARD = "unheard"
    AUTHORISED = "authorised"
    REFUSED = "refused"
    LOADED = "loaded"
    VOID = "void"


@dataclass(frozen=True, slots=True)
class HostLoad:
    """A load as its host tells of it; MAC2 comes with AUTHORISED."""

    state: HostLoadState
    mac2: Mac4 | None = None


class CityHost:
    """One city's host. Any number of threads may use it.

    Every method raises CityHostUnavailable (not reached: nothing was heard), CityHostUnknown (perhaps heard, no answer
    that counts) and CityHostRefused.
    """

    def __init__(self, city: str, wire: Wire, key: MessageKey, city_keys: Verifiers, clock: Clock) -> None:
        self.city: Final = city
        self._wire = wire
        self._key = key
        self._city_keys = city_keys
        self._clock = clock

    def __repr__(self) -> str:
        return f"CityHost({self.city})"

    def check_mac1(self, card: CardNumber, load: Load) -> None:
        """Raise Mac1Wrong unless the host finds that the card's MAC1 holds."""
        fields = _load_fields(card, load)
        said = self._ask("check", fields, {"card_no": card.digits, "online_atc": load.answer.online_atc})
        if said.get("mac1") != "holds":
            self._unknown("check", "the answer does not say that MAC1 holds")

    def authorise(self, load_id: str, card: CardNumber, load: Load) -> Mac4:
        """MAC2 for a load whose MAC1 the host has verified; raises Mac1Wrong. The load has its date and time."""
        assert load.at is not None  # noqa: S101  an attempt is never written without its time
        fields = {"load_id": load_id, **_load_fields(card, load), "host_time": load.at.digits}
        echo = {"load_id": load_id, "card_no": card.digits, "online_atc": load.answer.online_atc}
        said = self._ask("authorise", fields, echo | {"state": HostLoadState.AUTHORISED})
        return self._mac2("authorise", said)

    def confirm(self, load_id: str, card: CardNumber, tac: Mac4 | None) -> None:
        """Tell that the load is in the purse; raises TacWrong when the card's TAC does not hold.

        Without a TAC the proof is the card's counter inside a MAC1 that the host has verified since.
        """
        proof = None if tac is None else tac.value.hex().upper()
        fields = {"load_id": load_id, "card_no": card.digits, "tac": proof}
        self._ask("confirm", fields, _echo(load_id, card) | {"state": HostLoadState.LOADED})

    def void(self, load_id: str, card: CardNumber) -> None:
        """Tell that the load will never happen; a host that never heard of it keeps it from happening late."""
        fields = {"load_id": load_id, "card_no": card.digits}
        self._ask("void", fields, _echo(load_id, card) | {"state": HostLoadState.VOID})

    def query(self, load_id: str, card: CardNumber) -> HostLoad:
        """What the host knows of a load; changes nothing."""
        said = self._ask("query", {"load_id": load_id, "card_no": card.digits}, _echo(load_id, card))
        try:
            state = HostLoadState(str(said.get("state")))
        except ValueError:
            self._unknown("query", "the answer tells no state")
        return HostLoad(state, self._mac2("query", said) if state is HostLoadState.AUTHORISED else None)

    def _ask(self, verb: str, fields: Mapping[str, object], echo: Mapping[str, object]) -> dict[str, Any]:
        """The fields of a signed 200 answer that repeats ``echo``: an answer about another load is none."""
        body = json.dumps(fields, separators=(",", ":")).encode()
        path = f"{self._wire.path}/loads/{verb}"
        request = signed_request(self._key, "POST", path, body, self._clock.now())
        answer = self._sent(verb, request)
        said = self._object(verb, answer)
        if answer.status != 200:
            self._refused(verb, answer.status, said)
        if any(said.get(name) != value for name, value in echo.items()):
            self._unknown(verb, "the answer is about another load or in another state")
        return said

    def _sent(self, verb: str, request: Request) -> Answer:
        try:
            answer = self._wire.send(request)
            verify_answer(answer, request, self._city_keys, self._clock.now())
        except NothingSent as error:
            _log.warning("city host %s, %s: not reached: %s", self.city, verb, error)
            raise CityHostUnavailable from None
        except NoAnswer as error:
            self._unknown(verb, f"no answer: {error}")
        except MessageSignatureWrong as wrong:
            self._unknown(verb, wrong.why)
        return answer

    def _object(self, verb: str, answer: Answer) -> dict[str, Any]:
        try:
            said = json.loads(answer.body)
        except (ValueError, RecursionError):
            said = None
        if not isinstance(said, dict):
            self._unknown(verb, f"status {answer.status} without a JSON object")
        return said

    def _refused(self, verb: str, status: int, said: Mapping[str, object]) -> NoReturn:
        code = str(said.get("code"))
        if not 400 <= status < 500 or code == BUSY or not _CODE.fullmatch(code):
            self._unknown(verb, f"status {status}")
        _log.warning("city host %s, %s: refused: %s", self.city, verb, code)
        if code == Mac1Wrong.code:
            raise Mac1Wrong
        if code == TacWrong.code:
            raise TacWrong
        raise CityHostRefused(code)

    def _mac2(self, verb: str, said: Mapping[str, object]) -> Mac4:
        mac2 = said.get("mac2")
        if not isinstance(mac2, str) or not _MAC.fullmatch(mac2):
            self._unknown(verb, "the answer carries no MAC2")
        return Mac4(bytes.fromhex(mac2))

    def _unknown(self, verb: str, why: str) -> NoReturn:
        _log.warning("city host %s, %s: unknown: %s", self.city, verb, why)
        raise CityHostUnknown from None


def _echo(load_id: str, card: CardNumber) -> dict[str, object]:
    return {"load_id": load_id, "card_no": card.digits}


def _load_fields(card: CardNumber, load: Load) -> dict[str, object]:
    """What a card said in INITIALIZE FOR LOAD, and what it was asked with, in the words of terminals' loads."""
    answer = load.answer
    return {
        "card_no": card.digits,
        "amount_fen": load.amount.amount,
        "terminal_no": load.terminal.hex().upper(),
        "transaction_type": load.transaction_type,
        "init": {
            "balance": answer.balance_raw,
            "online_atc": answer.online_atc,
            "key_version": answer.key_version,
            "algorithm": answer.algorithm_id,
            "random": answer.random.hex().upper(),
            "mac1": answer.mac1.value.hex().upper(),
        },
    }
