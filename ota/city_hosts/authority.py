"""A city's host as the authority for one load: what is asked is durable first, and one MAC2 is passed on or none.

Between the question and its answer the process may die, the answer may be lost, late or false. So the row decides:
ASKED becomes GRANTED with the MAC2 in it, or VOIDING, once and for good; only a committed GRANTED is passed on. After a
restore it becomes GRANTED without one: what was passed on since the backup is forgotten.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ota.city_hosts import hosted
from ota.city_hosts.jobs import TELL_CITY_HOST
from ota.city_hosts.states import HostedEvent, HostedState
from ota.hsm_adapter.city_host.client import HostLoadState
from ota.hsm_adapter.city_host.errors import CityHostRefused, CityHostUnavailable, CityHostUnknown
from ota.hsm_adapter.errors import Mac1Wrong, TacWrong
from ota.registry import cards
from ota.registry.states import CardState
from ota.store import outbox
from ota.topup import attempts, withdrawal

if TYPE_CHECKING:
    from ota.card.purse import Load
    from ota.city_hosts.hosted import HostedLoad
    from ota.city_hosts.news import HostNews
    from ota.core.clock import Clock
    from ota.core.values import CardNumber, Mac4
    from ota.hsm_adapter.city_host.client import CityHost
    from ota.hsm_adapter.keys import CardKey
    from ota.store.phases import Store


class HostOffice:
    """The `AuthorityOffice` of one city's host."""

    def __init__(self, store: Store, host: CityHost, news: HostNews, clock: Clock) -> None:
        self._store = store
        self._host = host
        self._news = news
        self._clock = clock

    def authority(self, card: CardNumber, load_id: str | None) -> HostAuthority:
        """The host, to be asked about one load; without an id it can only look at MAC1."""
        return HostAuthority(self._store, self._host, self._news, self._clock, card, load_id or "")


class HostAuthority:
    """A `CardAuthority` for one load of one card. The keys' names say nothing to a host, which has its own."""

    def __init__(
        self, store: Store, host: CityHost, news: HostNews, clock: Clock, card: CardNumber, load_id: str
    ) -> None:
        self._store = store
        self._host = host
        self._news = news
        self._clock = clock
        self._card = card
        self._load_id = load_id

    def check_mac1(self, key: CardKey, load: Load) -> None:  # noqa: ARG002  see the class
        """Raise Mac1Wrong unless the host finds that MAC1 holds. Raises CityHostUnavailable, CityHostRefused."""
        try:
            self._host.check_mac1(self._card, load)
        except CityHostUnknown:  # looking changes nothing, so it does not matter what was heard
            raise CityHostUnavailable from None

    def require_authorising(self, key: CardKey) -> None:  # empty: the host itself answers, when it is asked
        """Nothing is known of a host's keys before it is asked for a load."""

    def authorise_load(self, key: CardKey, load: Load) -> Mac4:  # noqa: ARG002  see the class
        """MAC2, once it is durable; asking again gives the same one.

        Raises Mac1Wrong and CityHostRefused on the host's word, CityHostUnavailable when it heard nothing, and
        CityHostUnknown for anything else: then a void is stored and forwarded. In each case the attempt is withdrawn.
        """
        with self._store.begin() as tx:
            first = hosted.ask(tx, self._load_id, self._host.city, self._card, self._clock.now())
            asked = hosted.get(tx, self._load_id)
        if asked.state is not HostedState.ASKED:
            return _granted(asked)
        try:
            self._settle_earlier()
            mac2 = self._first_answer(load) if first else self._later_answer(load)
        except (Mac1Wrong, CityHostRefused) as refusal:
            return self._given_up(HostedEvent.REFUSED, refusal)
        except CityHostUnavailable as problem:
            return self._given_up(HostedEvent.NOT_SENT if first else HostedEvent.WITHDRAWN, problem)
        except CityHostUnknown as problem:
            return self._given_up(HostedEvent.WITHDRAWN, problem)
        return self._grant(mac2)

    def verify_tac(self, key: CardKey, load: Load, tac: Mac4) -> None:  # noqa: ARG002  see the class
        """Confirm the load with its TAC; raises TacWrong, or CityHostUnavailable: then the TAC is kept and forwarded."""
        asked = self._remembered()
        if asked is None:  # the process died before the host was asked: no MAC2 ever was
            raise TacWrong
        if asked.state is HostedState.CONFIRMED and asked.tac == tac:
            return
        if asked.state not in _MAY_HAVE_A_TAC:
            raise TacWrong
        try:
            self._host.confirm(self._load_id, self._card, tac)
        except CityHostRefused:
            raise TacWrong from None
        except (CityHostUnavailable, CityHostUnknown):
            if asked.state in _MAY_BE_PROVEN:
                self._keep(tac)
            raise CityHostUnavailable from None
        self._news.confirmed(self._load_id, tac)

    def _remembered(self) -> HostedLoad | None:
        """The load, or None as long as its host has not been asked; what a restore forgot may have been granted."""
        with self._store.read() as tx:
            asked = hosted.find(tx, self._load_id)
            is_in_question = attempts.get(tx, self._load_id).restore_id is not None
        if not is_in_question or (asked is not None and asked.state is not HostedState.ASKED):
            return asked
        with self._store.begin() as tx:
            hosted.ask(tx, self._load_id, self._host.city, self._card, self._clock.now())
        return give_up(self._store, self._load_id, HostedEvent.WITHDRAWN, self._clock)

    def _settle_earlier(self) -> None:
        """The city allows one open load per card: how earlier ones ended must be known there first."""
        with self._store.read() as tx:
            waiting = hosted.open_of_card(tx, self._card, self._load_id)
        if not all(self._news.tell(load_id) for load_id in waiting):
            raise CityHostUnavailable
        with self._store.read() as tx:
            known = cards.find(tx, self._card)
        if (
            known is not None and known.state is CardState.FROZEN
        ):  # the city contradicted: a person looks first
            raise CityHostUnavailable

    def _first_answer(self, load: Load) -> Mac4:
        return self._host.authorise(self._load_id, self._card, load)

    def _later_answer(self, load: Load) -> Mac4:
        """Asked before, without an answer: what the host knows is queried before anything is repeated."""
        known = self._host.query(self._load_id, self._card)
        if known.mac2 is not None:
            return known.mac2
        if known.state is HostLoadState.UNHEARD:
            return self._first_answer(load)
        if known.state is HostLoadState.REFUSED:
            raise CityHostRefused("refused_before")
        raise CityHostUnknown

    def _grant(self, mac2: Mac4) -> Mac4:
        with self._store.begin() as tx:
            asked = hosted.lock(tx, self._load_id)
            if asked.allows(HostedEvent.GRANTED):
                asked.step(tx, HostedEvent.GRANTED, self._clock.now(), mac2=mac2.value.hex())
                return mac2
        return _granted(asked)  # another process was first: its word counts

    def _given_up(self, event: HostedEvent, problem: Exception) -> Mac4:
        """End the load, unless another process has got its MAC2 meanwhile; raises the problem."""
        ended = give_up(self._store, self._load_id, event, self._clock)
        if ended.state is HostedState.GRANTED:
            return _granted(ended)
        raise problem

    def _keep(self, tac: Mac4) -> None:
        now = self._clock.now()
        with self._store.begin() as tx:
            hosted.keep_tac(tx, self._load_id, tac, now)
            outbox.stage(tx, TELL_CITY_HOST, self._load_id, due_at=now)


_MAY_BE_PROVEN: Final = frozenset({HostedState.GRANTED, HostedState.CONFIRMED})
_MAY_HAVE_A_TAC: Final = _MAY_BE_PROVEN | {HostedState.VOIDING, HostedState.VOID}
"""States in which MAC2 was passed on; a TAC for a load that is to be void contradicts what voided it."""


def give_up(store: Store, load_id: str, event: HostedEvent, clock: Clock) -> HostedLoad:
    """End a load that is only asked: its MAC2 is not passed on, so the attempt is dead and the order's money free.

    The void that WITHDRAWN stores is forwarded by a job, also where this process was not heard and another one may have
    been. Changes nothing once the load is granted or ended. One that was asked before a backup may have been granted and
    passed on until its restore: it is left to its card.
    """
    now = clock.now()
    with store.begin() as tx:
        attempt = withdrawal.lock(tx, load_id, now)
        asked = hosted.lock(tx, load_id)
        if asked.state is not HostedState.ASKED:
            return asked
        if attempt.restore_id is not None:
            return asked.step(tx, HostedEvent.FORGOTTEN, now)
        ending = HostedEvent.WITHDRAWN if asked.is_asked_again else event
        asked = asked.step(tx, ending, now)
        withdrawal.withdraw(tx, attempt, f"city_host_{ending}", now)
        if ending is HostedEvent.WITHDRAWN:
            outbox.stage(tx, TELL_CITY_HOST, load_id, due_at=now)
    return asked


def _granted(asked: HostedLoad) -> Mac4:
    """The MAC2 that may be passed on; raises CityHostUnknown when the load has been given up."""
    if asked.state is not HostedState.GRANTED or asked.mac2 is None:
        raise CityHostUnknown
    return asked.mac2
