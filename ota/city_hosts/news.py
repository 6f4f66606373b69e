"""Tells cities' hosts how loads ended, until they acknowledge; a contradiction freezes the card."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from ota.city_hosts import hosted
from ota.city_hosts.authority import give_up
from ota.city_hosts.jobs import TELL_CITY_HOST
from ota.city_hosts.states import HostedEvent, HostedState
from ota.hsm_adapter.city_host.errors import CityHostRefused, CityHostUnavailable, CityHostUnknown
from ota.hsm_adapter.errors import Mac1Wrong, TacWrong
from ota.registry import cards
from ota.store import outbox
from ota.topup import attempts, evidence, withdrawal
from ota.topup.states import AttemptState

if TYPE_CHECKING:
    from ota.city_hosts.hosted import HostedLoad
    from ota.core.clock import Clock
    from ota.core.values import Mac4
    from ota.hsm_adapter.city_host.client import CityHost
    from ota.store.phases import Store

_log = logging.getLogger(__name__)

SILENCE: Final = timedelta(seconds=30)
"""Longer than a query and an authorisation may take: who asked and has not written since will not any more."""

_FIRST_PAUSE: Final = timedelta(seconds=2)
_LONGEST_PAUSE: Final = timedelta(minutes=15)
_SWEPT: Final = 200

_Silent = (CityHostUnavailable, CityHostUnknown)
_Refusal = (CityHostRefused, Mac1Wrong, TacWrong)


class HostNews:
    """What the hosts are still to hear."""

    def __init__(self, store: Store, hosts: Mapping[str, CityHost], clock: Clock) -> None:
        self._store = store
        self._hosts = hosts
        self._clock = clock

    def tell(self, load_id: str) -> bool:
        """Tell the host how a load ended, if it has ended; False when the host did not acknowledge.

        A load that two people confirmed has ended for the host once its card has borne them out.
        """
        asked = self._noticed(load_id)
        tell = {
            HostedState.VOIDING: self._void,
            HostedState.CONFIRMING: self._confirm,
            HostedState.GRANTED: self._confirm_tac,
        }.get(asked.state)
        try:
            if tell is not None:
                tell(self._hosts[asked.city], asked)
        except _Silent:
            return False
        return True

    def confirmed(self, load_id: str, tac: Mac4 | None) -> None:
        """Write down that the host has confirmed a load; changes nothing when that was known.

        For one that it was told, or is to be told, to void that is a contradiction: a person decides.
        """
        with self._store.begin() as tx:
            asked = hosted.lock(tx, load_id)
            if asked.allows(HostedEvent.CONFIRM_TAKEN):
                proof = tac.value.hex() if tac is not None else None
                asked.step(tx, HostedEvent.CONFIRM_TAKEN, self._clock.now(), tac=proof)
            elif tac is not None and asked.allows(HostedEvent.CONTRADICTED):
                asked.step(tx, HostedEvent.CONTRADICTED, self._clock.now(), tac=tac.value.hex())

    def deliver(self, load_id: str, prove: Callable[[str, Mac4], object]) -> None:
        """The job: tell, and come again later until it is acknowledged. ``prove`` books a TAC that was verified late."""
        told = self.tell(load_id)
        with self._store.begin() as tx:
            asked = hosted.get(tx, load_id)
            attempt = attempts.get(tx, load_id)
            if not told:
                tries = hosted.count_try(tx, asked)
                outbox.stage(tx, TELL_CITY_HOST, load_id, due_at=self._clock.now() + _pause(tries))
        if asked.state is HostedState.CONFIRMED and asked.tac and attempt.state is not AttemptState.LOADED:
            prove(load_id, asked.tac)

    def sweep(self) -> None:
        """Find loads whose end nobody has told: decided by the card since, or asked by a process that died."""
        now = self._clock.now()
        with self._store.read() as tx:
            alone = hosted.left_alone(tx, now - SILENCE, _SWEPT)
            ended = hosted.ended_unnoticed(tx, _SWEPT)
        for load_id in alone:
            give_up(self._store, load_id, HostedEvent.WITHDRAWN, self._clock)
        for load_id in ended:
            self._noticed(load_id, stage=True)

    def _noticed(self, load_id: str, *, stage: bool = False) -> HostedLoad:
        """The load, moved on if its attempt has been decided since MAC2 was granted.

        `confirm` without a TAC says that the card's counter proves the load: what people said is not told as that.
        """
        with self._store.begin() as tx:
            asked = hosted.lock(tx, load_id)
            event = _DECIDED.get(attempts.get(tx, load_id).state)
            if event is None or asked.state is not HostedState.GRANTED:
                return asked
            told = evidence.about(tx, load_id)
            if event is HostedEvent.PROVEN and evidence.CONFIRMED in told and not told & evidence.PROOFS:
                return asked
            if stage:
                outbox.stage(tx, TELL_CITY_HOST, load_id, due_at=self._clock.now())
            return asked.step(tx, event, self._clock.now())

    def _void(self, host: CityHost, asked: HostedLoad) -> None:
        try:
            host.void(asked.load_id, asked.card)
        except _Refusal as refusal:
            self._dispute(asked, refusal)
        else:
            self._step(asked, HostedEvent.VOID_TAKEN)

    def _confirm(self, host: CityHost, asked: HostedLoad) -> None:
        try:
            host.confirm(asked.load_id, asked.card, None)
        except _Refusal as refusal:
            self._dispute(asked, refusal)
        else:
            self.confirmed(asked.load_id, None)

    def _confirm_tac(self, host: CityHost, asked: HostedLoad) -> None:
        """A TAC that could not be verified when it came; where it does not hold, the next contact decides."""
        if asked.tac is None:
            return
        try:
            host.confirm(asked.load_id, asked.card, asked.tac)
        except _Refusal:
            with self._store.begin() as tx:
                hosted.drop_tac(tx, asked.load_id, self._clock.now())
        else:
            self.confirmed(asked.load_id, asked.tac)

    def _step(self, asked: HostedLoad, event: HostedEvent) -> None:
        with self._store.begin() as tx:
            asked = hosted.lock(tx, asked.load_id)
            if asked.allows(event):
                asked.step(tx, event, self._clock.now())

    def _dispute(self, asked: HostedLoad, refusal: CityHostRefused | Mac1Wrong | TacWrong) -> None:
        now, reason = self._clock.now(), refusal.problem_code
        told = str(refusal.details.get("reason", reason))
        with self._store.begin() as tx:
            attempt = withdrawal.lock(tx, asked.load_id, now)
            asked = hosted.lock(tx, asked.load_id)
            if not asked.allows(HostedEvent.CONTRADICTED):
                return
            data = {"city": asked.city, "ours": str(asked.state), "theirs": told}
            asked.step(tx, HostedEvent.CONTRADICTED, now)
            evidence.note(tx, attempt.order_id, attempt.id, evidence.CONTRADICTED, data, now)
            cards.freeze(tx, withdrawal.card_of(tx, attempt, now), evidence.CONTRADICTED, now)
        _log.critical("city host %s contradicts load %s: a person must look", asked.city, asked.load_id)


_DECIDED: Final = {
    AttemptState.LOADED: HostedEvent.PROVEN,
    AttemptState.DEAD: HostedEvent.WITHDRAWN,
}


def _pause(tries: int) -> timedelta:
    return min(_LONGEST_PAUSE, _FIRST_PAUSE * (1 << min(tries - 1, 30)))
