"""What a city's host may ask about its own cards: look at MAC1, authorise, confirm, void, query.

The city takes the money and tells the outcome; this platform lends the keys and keeps one open load per card.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol

from sqlalchemy import Connection

from ota.card.purse import Load
from ota.cities.errors import CardOutsideProvince
from ota.cities.loader import Cities
from ota.cities.profile import City
from ota.city_hosts import grants
from ota.city_hosts.errors import (
    CardHasOpenLoad,
    LoadEnded,
    LoadIdReused,
    LoadUnknown,
    NotYourCard,
    TacNeeded,
)
from ota.city_hosts.grants import Grant
from ota.city_hosts.states import GRANT, GrantEvent, GrantState
from ota.core.clock import Clock
from ota.core.errors import InvalidValue
from ota.core.values import CardNumber, Mac4
from ota.hsm_adapter.errors import KeyNotUsable
from ota.hsm_adapter.routing import PROVINCE
from ota.hsm_adapter.trail import NOBODY, on_behalf_of
from ota.registry import cards, numbers
from ota.store.phases import Store
from ota.topup import attempts

OFF: Final = timedelta(minutes=10)
"""How far a load's date and time, as the city's terminal has them, may be from now when it is authorised."""


class Vault(Protocol):
    """The keys' side of a load (`ota.topup.vault.LoadVault`)."""

    def check_mac1(self, card: CardNumber, load: Load) -> None:
        """Raise Mac1Wrong unless MAC1 holds."""
        ...

    def bar(self, card: CardNumber, load: Load) -> KeyNotUsable | None:
        """Why no load may be authorised with the card's key; None: it may."""
        ...

    def authorise_load(self, load_id: str, card: CardNumber, load: Load) -> Mac4:
        """MAC2; the same load gives the same one."""
        ...

    def verify_tac(self, load_id: str, card: CardNumber, load: Load, tac: Mac4) -> None:
        """Raise TacWrong unless the TAC holds."""
        ...


@dataclass(frozen=True, slots=True)
class LoadName:
    """A load by the city's name for it, and its card."""

    load_id: str
    card: CardNumber


@dataclass(frozen=True, slots=True)
class Question:
    """What a card answered to INITIALIZE FOR LOAD, as a load; ``asked`` is the same in the city's own words."""

    card: CardNumber
    load: Load
    asked: Mapping[str, object]
    load_id: str = ""


class CityLoads:
    """Answers cities' hosts. Every verb may be repeated; a repetition changes nothing and says the same."""

    def __init__(self, store: Store, cities: Cities, vault: Vault, read: ReadLoad, clock: Clock) -> None:
        """``read`` makes a `Load` of the words in which a city described it."""
        self._store = store
        self._cities = cities
        self._vault = vault
        self._read = read
        self._clock = clock

    def check(self, city: str, question: Question) -> None:
        """Raise Mac1Wrong, or why the card would not be loaded now; changes nothing."""
        own = self._own(city, question.card).require_live()
        own.limits.check_load(question.load.amount, question.load.answer.balance)
        with _for(city, question.load_id):
            self._vault.check_mac1(question.card, question.load)
            bar = self._vault.bar(question.card, question.load)
        if bar is not None:
            raise bar

    def authorise(self, city: str, wanted: Question) -> Mac4:
        """MAC2 for a load of the city's own card.

        Raises what `check` raises, LoadIdReused, LoadEnded, CardHasOpenLoad and CardNotUsable; nothing is granted then.
        """
        self.check(city, wanted)
        with self._store.begin() as tx:
            self._grant(tx, city, wanted)
        with _for(city, wanted.load_id):
            return self._vault.authorise_load(wanted.load_id, wanted.card, wanted.load)

    def confirm(self, city: str, about: LoadName, tac: Mac4 | None) -> None:
        """Take the card's TAC; raises TacWrong, TacNeeded, LoadUnknown, LoadEnded."""
        self._own(city, about.card)
        with self._store.read() as tx:
            grant = _named(grants.find(tx, city, about.load_id), about)
        if grant.asked is None or not GRANT.allows(grant.state, GrantEvent.TAC_VERIFIED):
            raise LoadEnded(grant.state)
        if tac is None:
            raise TacNeeded
        load = self._read(grant.asked)
        with _for(city, about.load_id):
            self._vault.verify_tac(about.load_id, about.card, load, tac)
        self._end(city, about, GrantEvent.TAC_VERIFIED, load.answer.online_atc + 1)

    def void(self, city: str, about: LoadName) -> None:
        """Take the city's word that a load will not happen, also before it was asked for; raises LoadEnded."""
        own = self._own(city, about.card)
        now = self._clock.now()
        with self._store.begin() as tx:
            cards.lock(tx, about.card, own.code, now)
            if grants.find(tx, city, about.load_id) is None:
                grants.insert(tx, Grant(city, about.load_id, about.card, GrantState.VOID, None), now)
        self._end(city, about, GrantEvent.VOIDED)

    def query(self, city: str, about: LoadName) -> tuple[GrantState | None, Mac4 | None]:
        """What is known of a load (None: never asked for), and its MAC2 while it is granted."""
        self._own(city, about.card)
        with self._store.read() as tx:
            grant = grants.find(tx, city, about.load_id)
        if grant is None:
            return None, None
        _named(grant, about)
        if grant.state is not GrantState.GRANTED or grant.asked is None:
            return grant.state, None
        with _for(city, grant.load_id):
            mac2 = self._vault.authorise_load(grant.load_id, grant.card, self._read(grant.asked))
        return grant.state, mac2

    def _own(self, city: str, card: CardNumber) -> City:
        try:
            owner = self._cities.of_card(card)
        except CardOutsideProvince:
            raise NotYourCard from None
        if owner.name != city or owner.authority != PROVINCE:
            raise NotYourCard
        return owner

    def _grant(self, tx: Connection, city: str, wanted: Question) -> None:
        now = self._clock.now()
        known = cards.lock(tx, wanted.card, self._cities.of_card(wanted.card).code, now)
        earlier = grants.find(tx, city, wanted.load_id)
        if earlier is not None:
            _require_same(earlier, wanted)
            return
        known.require_usable()
        numbers.require_issued(tx, wanted.card)
        assert wanted.load.at is not None  # noqa: S101  the schema asks for host_time
        if abs(wanted.load.at.to_utc() - now) > OFF:
            raise InvalidValue("host_time", f"within {OFF.seconds // 60} minutes of now, in local time")
        if attempts.live(tx, wanted.card) is not None or grants.card_has_open(tx, wanted.card):
            raise CardHasOpenLoad
        new = Grant(city, wanted.load_id, wanted.card, GrantState.GRANTED, wanted.asked)
        if not grants.insert(
            tx, new, now
        ):  # asked for another card at the same time, whose lock is not held here
            raise LoadIdReused

    def _end(self, city: str, about: LoadName, event: GrantEvent, next_atc: int | None = None) -> None:
        now = self._clock.now()
        with self._store.begin() as tx:
            known = cards.lock(tx, about.card, self._own(city, about.card).code, now)
            grant = _named(grants.find(tx, city, about.load_id), about)
            if not GRANT.allows(grant.state, event):
                raise LoadEnded(grant.state)
            grant.step(tx, event, now)
            if next_atc is not None and (known.last_atc is None or known.last_atc < next_atc):
                cards.saw_counter(tx, about.card, next_atc, now)


class ReadLoad(Protocol):
    """Makes a `Load` of the words in which a city described it."""

    def __call__(self, asked: Mapping[str, object]) -> Load:
        """The load, with its date and time."""
        ...


def _for(city: str, load_id: str) -> AbstractContextManager[None]:
    """The city's own name for its load goes into the trail of keys."""
    return on_behalf_of(f"city:{city}", load_id or NOBODY)


def _named(grant: Grant | None, about: LoadName) -> Grant:
    if grant is None:
        raise LoadUnknown
    if grant.card != about.card:
        raise LoadIdReused
    return grant


def _require_same(earlier: Grant, wanted: Question) -> None:
    """A repetition of the same question; raises LoadIdReused, LoadEnded."""
    if earlier.card != wanted.card:
        raise LoadIdReused
    if earlier.state is not GrantState.GRANTED:
        raise LoadEnded(earlier.state)
    if earlier.asked != wanted.asked:
        raise LoadIdReused
