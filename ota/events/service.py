"""Delivers events to wallets' servers, in order per card; and lets wallets read their feeds.

What is about to be sent is committed first, and the call is made outside of every phase. A server that does not answer
is left alone as a whole, ever longer: one message finds out whether it is back. What it refuses holds back that card only.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Protocol
from zlib import crc32

from sqlalchemy import Connection

from ota.core.clock import Clock
from ota.core.errors import OtaError
from ota.core.principal import Principal
from ota.events import deliveries, feed
from ota.events.callback import Unheard
from ota.events.deliveries import Delivery, Feed
from ota.events.feed import Event
from ota.events.jobs import RESUME_FEED
from ota.events.states import DeliveryEvent, DeliveryState
from ota.store import outbox
from ota.store.phases import Store

_log = logging.getLogger(__name__)

TYPE: Final = "event+jwt"

IN_FLIGHT: Final = timedelta(seconds=30)
"""Longer than a call can take: before it is over, another process may still be sending this event."""

FORGOTTEN: Final = timedelta(minutes=10)
SWEPT: Final = 200

_FIRST_PAUSE: Final = timedelta(seconds=2)
_LONGEST_PAUSE: Final = timedelta(hours=1)
_LONGEST_SILENCE: Final = timedelta(minutes=5)
_SLOW: Final = timedelta(seconds=0.25)
"""A server that takes longer rests for as long as it took: it gets half of one worker's time at most."""

_WOKEN: Final = 2
"""How many of those that waited follow an event that was taken: a server that is back gets more and more at once."""

_OVERLOADED: Final = frozenset({429, 502, 503, 504})
"""Answers that are about the server and not about the event."""


class Posts(Protocol):
    """The wallets' servers."""

    def reaches(self, caller_id: str) -> bool:
        """Whether the caller has said where its server listens."""
        ...

    def post(
        self, caller_id: str, path: str, word: str, type_: str, claims: dict[str, object]
    ) -> tuple[int, bytes]:
        """Status and body of the answer to signed claims; raises Unheard."""
        ...


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of one try: ``error`` is None when the wallet has the event."""

    error: str | None
    server_fails: bool
    took: timedelta


class Deliveries:
    """Sends events: each one until the wallet acknowledges it, or for as long as it is worth trying."""

    def __init__(self, store: Store, posts: Posts, clock: Clock, give_up_after: timedelta) -> None:
        self._store = store
        self._posts = posts
        self._clock = clock
        self._give_up_after = give_up_after

    def tell(self, event_id: str) -> None:
        """The job: give an event its place and send it if it is its turn; may be called at any time, by several."""
        with self._store.read() as tx:
            caller_id = feed.owner(tx, event_id)
        reachable = self._posts.reaches(caller_id)
        with self._store.begin() as tx:
            event = self._prepare(tx, caller_id, event_id, reachable=reachable)
        if event is None:
            return
        heard = self._send(event)
        with self._store.begin() as tx:
            self._take(tx, event, heard)

    def resume(self, caller_id: str) -> None:
        """The job: go on with what waited while a wallet's server was left alone; one event finds out how it is."""
        now = self._clock.now()
        with self._store.begin() as tx:
            place = deliveries.lock_feed(tx, caller_id)
            if place.is_paused(now):
                return  # whoever paused it since has staged this job, too
            if place.failures:
                for each in deliveries.too_old(tx, caller_id, now - self._give_up_after, SWEPT):
                    self._end(tx, each, DeliveryEvent.GIVEN_UP, now, "server_silent")
            deliveries.wake(tx, caller_id, now, 1)

    def sweep(self) -> int:
        """Call for events whose jobs have died; returns how many."""
        now = self._clock.now()
        with self._store.read() as tx:
            lost = deliveries.forgotten(tx, now - FORGOTTEN, SWEPT)
        if lost:
            with self._store.begin() as tx:
                deliveries.call_for(tx, lost, now)
        return len(lost)

    def _prepare(self, tx: Connection, caller_id: str, event_id: str, *, reachable: bool) -> Event | None:
        """Commit what is about to be done; None when nothing is to be sent now."""
        now = self._clock.now()
        first = DeliveryState.WAITING if reachable else DeliveryState.NOT_SENT
        place = deliveries.place(tx, deliveries.lock_feed(tx, caller_id), event_id, first, now)
        mine = deliveries.get(tx, event_id)
        if mine.state is not DeliveryState.WAITING:
            return None
        head = deliveries.next_of_card(tx, caller_id, mine.card_no)
        if head is None or head.row != mine.row:
            return None  # whoever ends the one before it calls for this one
        if not reachable:
            self._end(tx, mine, DeliveryEvent.NO_ADDRESS, now)
            deliveries.wake(tx, caller_id, now, _WOKEN)
            return None
        wait_until = max(mine.due_at, mine.sending_until or now)
        if wait_until > now:
            mine.look_after(tx, wait_until + _spread(mine, _FIRST_PAUSE))
            return None
        if place.is_paused(now):
            mine.park(tx, now)
            return None
        mine.claim(tx, now + IN_FLIGHT)
        if place.failures:  # this one finds out whether the server is back; the others wait for it
            replace(place, paused_until=now + IN_FLIGHT).keep(tx)
        return feed.get(tx, event_id)

    def _send(self, event: Event) -> Heard:
        began = time.monotonic()
        try:
            status, _ = self._posts.post(event.news.caller_id, "/events", "event", TYPE, event.view)
            error = None if 200 <= status < 300 else f"status_{status}"
            server_fails = status in _OVERLOADED
        except (Unheard, OtaError) as failure:  # the kind only: a message may quote what was sent
            error, server_fails = type(failure).__name__.lower(), True
        return Heard(error, server_fails, timedelta(seconds=time.monotonic() - began))

    def _take(self, tx: Connection, event: Event, heard: Heard) -> None:
        """Write down what came of a try; the end of a delivery that was ended meanwhile changes nothing."""
        now = self._clock.now()
        place = _after(deliveries.lock_feed(tx, event.news.caller_id), heard, now)
        place.keep(tx)
        if place.paused_until is not None:
            outbox.stage(tx, RESUME_FEED, place.caller_id, due_at=place.paused_until)
        else:
            deliveries.wake(tx, place.caller_id, now, _WOKEN)
        mine = deliveries.get(tx, event.id)
        if mine.state is not DeliveryState.WAITING:
            return
        if heard.error is None:
            self._end(tx, mine, DeliveryEvent.ACKNOWLEDGED, now)
            return
        _log.warning("event %s was not taken, try %d: %s", event.id, mine.tries, heard.error)
        if self._is_too_old(mine, now):
            _log.error("event %s is given up after %d tries", event.id, mine.tries)
            self._end(tx, mine, DeliveryEvent.GIVEN_UP, now, heard.error)
            return
        if heard.server_fails:  # the event is not to blame: it goes on as soon as the server does
            mine.park(tx, now)
            return
        pause = _pause(mine.tries, _LONGEST_PAUSE)
        mine.look_after(tx, now + pause + _spread(mine, pause), heard.error)

    def _end(
        self, tx: Connection, mine: Delivery, event: DeliveryEvent, now: datetime, why: str | None = None
    ) -> None:
        """End one delivery and call for the next of its card."""
        mine.step(tx, event, now, why)
        after = deliveries.next_of_card(tx, mine.caller_id, mine.card_no)
        if after is not None:
            after.look_after(tx, max(after.due_at, now))

    def _is_too_old(self, mine: Delivery, now: datetime) -> bool:
        return now - mine.waiting_since >= self._give_up_after


class Events:
    """Wallets' feeds as they read them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def page(self, caller: Principal, after: int, limit: int) -> tuple[list[Event], bool]:
        """The caller's own events that follow a position, in order; and whether more follow these."""
        with self._store.read() as tx:
            found = feed.page(tx, caller.id, after, limit + 1)
        return found[:limit], len(found) > limit


def _after(place: Feed, heard: Heard, now: datetime) -> Feed:
    """How the server as a whole does after a try."""
    if heard.server_fails:
        failures = place.failures + 1
        return replace(place, failures=failures, paused_until=now + _pause(failures, _LONGEST_SILENCE))
    return replace(place, failures=0, paused_until=now + heard.took if heard.took > _SLOW else None)


def _pause(tries: int, longest: timedelta) -> timedelta:
    return min(longest, _FIRST_PAUSE * (1 << min(max(tries, 1) - 1, 20)))


def _spread(mine: Delivery, pause: timedelta) -> timedelta:
    """Up to a quarter more, a different part for each event and try: what failed together does not come together."""
    return pause * (crc32(f"{mine.event_id} {mine.tries}".encode()) % 1000 / 4000)
