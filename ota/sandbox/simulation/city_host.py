"""A self-issuing city's own host in virtual time: it answers for its cards, and its messages get lost, late or forged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import sqlalchemy as sa

from ota.card.purse import Load
from ota.cities.loader import Cities
from ota.cities.profile import Host, HostKey
from ota.city_hosts.models import hosted_load
from ota.city_hosts.schemas import read_load
from ota.core.values import Mac4
from ota.hsm_adapter.city_host.signatures import Answer, Request
from ota.hsm_adapter.city_host.wire import NoAnswer, NothingSent
from ota.sandbox import city_host as host_module
from ota.sandbox.city_host import BookedLoad, CityHost, HostDown, HostSilent
from ota.sandbox.city_host_messages import Post, Signature
from ota.sandbox.element import Algorithm
from ota.sandbox.simulation import books
from ota.sandbox.simulation.faults import HOST_FAULTS, Fault, Luck
from ota.sandbox.simulation.masters import card_key
from ota.sandbox.simulation.trace import Trace
from ota.sandbox.simulation.truth import Truth
from ota.topup import evidence
from ota.topup.models import load_attempt
from ota.topup.states import AttemptState

HOST_CITY: Final = "foshan"
"""The city that has a host of its own in some seeds."""
HOST_KEY: Final = "foshan-1"
PLATFORM_KEY: Final = "province-1"
"""The names of the keys with which the city and the platform sign their messages."""

_FORGERIES: Final = (
    host_module.Fault.WRONG_SIGNATURE,
    host_module.Fault.UNSIGNED,
    host_module.Fault.ALTERED,
    host_module.Fault.OLD_ANSWER,
    host_module.Fault.OTHER_CARD,
)
_PLANS: Final[Mapping[Fault, tuple[host_module.Fault, ...]]] = {
    Fault.CITY_HOST_DOWN: (host_module.Fault.DOWN,),
    Fault.CITY_HOST_LOST: (host_module.Fault.LOST,),
    Fault.CITY_HOST_LATE: (host_module.Fault.LATE,),
    Fault.CITY_HOST_TWICE: (host_module.Fault.TWICE,),
    Fault.CITY_HOST_FORGED: _FORGERIES,
    Fault.CITY_HOST_BROKEN: (host_module.Fault.BROKEN,),
}
_THEIRS: Final[Mapping[AttemptState | None, frozenset[str]]] = {
    AttemptState.LOADED: frozenset({"loaded"}),
    AttemptState.DEAD: frozenset({"void", ""}),
    AttemptState.DECIDED: frozenset({"authorised"}),  # nobody has met the card since
}
"""What a city may have in its books of an attempt, when all is calm; empty: it never heard of it."""


_UNKNOWN: Final = (AttemptState.DECIDED, AttemptState.GIVEN_UP)
"""Of these the platform does not know whether they are on the card; a city may have been told before a restore."""


class VersionedHost(CityHost):
    """A city's platform whose card room has both versions of its keys."""

    def _key(self, role: str, algorithm: Algorithm, asked: dict[str, Any]) -> bytes:
        return card_key(asked["init"]["key_version"], role, algorithm, self._factors(asked))


class HostWire:
    """The way to the host and back. ``authorised`` learns every MAC2 that the host gave out."""

    path: Final = "/tsm"

    def __init__(self, host: CityHost, trace: Trace, luck: Luck) -> None:
        self.host = host
        self._trace = trace
        self._luck = luck
        self.authorised: dict[Mac4, Load] = {}

    def send(self, request: Request) -> Answer:
        """The answer, if there is one; raises NothingSent or NoAnswer."""
        verb = request.path.rpartition("/")[2]
        self.host.faults.clear()
        for fault in HOST_FAULTS:
            if self._luck.strikes(fault, verb):
                self.host.plan(verb, self._luck.choice.choice(_PLANS[fault]))
        try:
            said = self.host.serve(Post(request.path, request.body, request.headers))
        except HostDown:
            raise NothingSent("refused") from None
        except HostSilent:
            raise NoAnswer("TimeoutError") from None
        finally:
            self._learn()
        self._trace.note("city host", f"{verb} → {said.status}")
        return Answer(said.status, said.body, said.headers)

    def _learn(self) -> None:
        for booked in self.host.loads.values():
            if booked.mac2:
                self.authorised[Mac4(bytes.fromhex(booked.mac2))] = read_load(booked.asked)


def with_host(cities: Cities, signature: Signature) -> Cities:
    """The cities' files with one city that issues its cards itself."""
    key = HostKey(signature.key_id, *signature.public)
    host = Host("https://tsm.example/tsm", PLATFORM_KEY, (key,), connect_timeout_s=2, read_timeout_s=5)
    return Cities(
        replace(city, self_issuing=True, host=host) if city.name == HOST_CITY else city for city in cities
    )


def asked_about(engine: sa.Engine) -> frozenset[str]:
    """The loads that the platform knows to have asked its city for."""
    with engine.connect() as tx:
        return frozenset(tx.execute(sa.select(hosted_load.c.load_id)).scalars())


def compare(host: CityHost, engine: sa.Engine, truth: Truth) -> None:
    """After a restore the city's people look at cards with open loads of which the platform tells nothing any more.

    It forgot them, or two people decided about them and no counter proves anything (docs/operations.md).
    """
    confirmed = load_attempt.c.id.in_(evidence.confirmed_by_people())
    decided = sa.select(load_attempt.c.id).where(
        load_attempt.c.restore_id.is_not(None),
        ((load_attempt.c.state == AttemptState.LOADED) & confirmed)
        | (load_attempt.c.state == AttemptState.GIVEN_UP),
    )
    with engine.connect() as tx:
        untold = truth.forgotten_questions | set(tx.execute(decided).scalars())
    for load_id in untold & host.loads.keys():
        if host.loads[load_id].state == "authorised":
            host.loads[load_id].state = _on_its_card(host.loads[load_id], truth)


def _on_its_card(booked: BookedLoad, truth: Truth) -> str:
    """What a load is by its card; one that was voided before the city heard of it names no terms, and is not there."""
    if not booked.asked:
        return "void"
    load = read_load(booked.asked)
    assert load.at is not None  # noqa: S101  a question for a MAC2 names the moment
    random, terminal = load.answer.random.hex(), load.terminal.hex()
    key = booked.card_no, load.answer.online_atc, random, terminal, load.at.digits
    taken = (books.key_of(card, credit) for card in truth.cards for credit in card.credits)
    return "loaded" if key in taken else "void"


def complaint(host: CityHost, engine: sa.Engine, truth: Truth) -> str | None:
    """What is otherwise in the city's books than in ours; None when nothing is.

    Where a restore forgot a load, or how it ended, and people decided, the city's books must be what its card holds.
    """
    query = sa.select(hosted_load.c.load_id, load_attempt.c.state).join(
        load_attempt, load_attempt.c.id == hosted_load.c.load_id
    )
    with engine.connect() as tx:
        ours = {row.load_id: row.state for row in tx.execute(query)}
        by_people = set(tx.execute(evidence.confirmed_by_people()).scalars())
    for load_id in sorted(ours.keys() | host.loads.keys()):
        state = ours.get(load_id)
        theirs = host.loads[load_id].state if load_id in host.loads else ""
        if theirs in _THEIRS.get(state, frozenset()):
            continue
        is_seen = (
            state is AttemptState.LOADED and load_id in by_people
        )  # the money was, not by which MAC2 it came
        if is_seen and theirs == "authorised":
            continue  # a city is told what a card proves, and this one has not been met since
        is_unknown = (is_seen or state in _UNKNOWN) and truth.restores and theirs
        is_forgotten = state is None and load_id in truth.forgotten_questions
        if (is_unknown or is_forgotten) and theirs == _on_its_card(host.loads[load_id], truth):
            continue
        return f"a city's books are ours: {load_id} is {state} here and {theirs or 'unheard'} there"
    return None
