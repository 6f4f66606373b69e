"""Places and deliveries of events as rows; everything here happens under the lock of the wallet's feed.

Under that lock positions are given one after the other and committed before the next one is given: a reader that sees
position n has been able to see every one before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, Row, Select, func, select

from ota.events.jobs import RESUME_FEED, TELL_WALLET
from ota.events.models import wallet_delivery, wallet_event, wallet_feed
from ota.events.states import DELIVERY, DeliveryEvent, DeliveryState
from ota.store import history, outbox, restores
from ota.store.inserts import insert_or_skip
from ota.store.restores import Restore

_D, _E = wallet_delivery.c, wallet_event.c
_THEIRS = _D.event_row == _E.row

_PARKED: Final = "server_left_alone"

_OF_A_CARD: Final = timedelta(seconds=1)
_OF_A_WALLET: Final = timedelta(milliseconds=1)
"""Nobody has more events than one in such a time: after a restore places go on above those that are forgotten."""

_PLACED_LATE: Final = timedelta(hours=1)
"""How far back the sweep looks for events without a place: their jobs are in the outbox, which loses none."""


@dataclass(frozen=True, slots=True)
class Feed:
    """A wallet's feed, locked: its newest position, and how the wallet's server does."""

    caller_id: str
    position: int
    failures: int
    paused_until: datetime | None

    def is_paused(self, now: datetime) -> bool:
        """Whether the server is left alone now."""
        return self.paused_until is not None and self.paused_until > now

    def keep(self, tx: Connection) -> None:
        """Write it back."""
        tx.execute(
            wallet_feed.update()
            .where(wallet_feed.c.caller_id == self.caller_id)
            .values(position=self.position, failures=self.failures, paused_until=self.paused_until)
        )


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event on its way."""

    row: int
    event_id: str
    caller_id: str
    card_no: str
    card_position: int
    state: DeliveryState
    tries: int
    waiting_since: datetime
    due_at: datetime
    sending_until: datetime | None

    def step(self, tx: Connection, event: DeliveryEvent, now: datetime, why: str | None = None) -> Delivery:
        """Take one step of the state machine, with its history; raises NotInThisState."""
        after = DELIVERY.after(self.state, event)
        again = after is DeliveryState.WAITING
        new = replace(
            self,
            state=after,
            sending_until=None,
            waiting_since=now if again else self.waiting_since,
            due_at=now if again else self.due_at,
        )
        tx.execute(
            wallet_delivery.update()
            .where(_D.event_row == self.row)
            .values(
                state=after,
                sending_until=None,
                waiting_since=new.waiting_since,
                due_at=new.due_at,
                last_error=why,
                ended_at=None if again else now,
            )
        )
        history.record(
            tx, kind="delivery", subject_id=self.event_id, before=self.state, event=event, after=after, at=now
        )
        return new

    def claim(self, tx: Connection, until: datetime) -> None:
        """Note that a try begins, before it does: nobody else begins one until then."""
        change = wallet_delivery.update().where(_D.event_row == self.row)
        tx.execute(change.values(tries=self.tries + 1, sending_until=until, last_error=None))

    def park(self, tx: Connection, now: datetime) -> None:
        """Let it wait without a job, behind those that wait so already: `RESUME_FEED` calls for it."""
        change = wallet_delivery.update().where(_D.event_row == self.row)
        tx.execute(change.values(due_at=now, sending_until=None, last_error=_PARKED))

    def look_after(self, tx: Connection, due_at: datetime, why: str | None = None) -> None:
        """Promise that its turn comes again."""
        change = wallet_delivery.update().where(_D.event_row == self.row)
        reason = {} if why is None else {"sending_until": None}
        tx.execute(change.values(due_at=due_at, last_error=why, **reason))
        outbox.stage(tx, TELL_WALLET, self.event_id, due_at=due_at)


def lock_feed(tx: Connection, caller_id: str) -> Feed:
    """The wallet's feed with its row locked until the phase ends."""
    query = select(wallet_feed).where(wallet_feed.c.caller_id == caller_id).with_for_update()
    row = tx.execute(query).one_or_none()
    if row is None:
        tx.execute(insert_or_skip(tx, wallet_feed).values(caller_id=caller_id, position=0, failures=0))
        row = tx.execute(query).one()
    return Feed(row.caller_id, row.position, row.failures, row.paused_until)


def place(tx: Connection, feed: Feed, event_id: str, state: DeliveryState, now: datetime) -> Feed:
    """Give an event its places, after every earlier one of its card; changes nothing when it has them.

    An event that was caused by another one was written after that one had been committed, so it has the higher row.
    """
    mine = select(_E.row, _E.card_no).where(_E.id == event_id).subquery()
    without = (
        select(_E.row, _E.card_no)
        .outerjoin(wallet_delivery, _THEIRS)
        .where(
            _E.caller_id == feed.caller_id,
            _E.card_no == mine.c.card_no,
            _E.row <= mine.c.row,
            _D.event_row.is_(None),
        )
        .order_by(_E.row)
    )
    rows = tx.execute(without).all()
    if not rows:
        return feed
    newest = select(func.max(_D.card_position)).where(
        _D.caller_id == feed.caller_id, _D.card_no == rows[0].card_no
    )
    restore = restores.newest(tx)
    before = max(tx.execute(newest).scalar() or 0, _given(restore, _OF_A_CARD))
    last = max(feed.position, _given(restore, _OF_A_WALLET))
    places = [
        {
            "event_row": row.row,
            "caller_id": feed.caller_id,
            "position": last + count,
            "card_no": row.card_no,
            "card_position": before + count,
            "state": state,
            "tries": 0,
            "waiting_since": now,
            "due_at": now,
            "ended_at": None if state is DeliveryState.WAITING else now,
        }
        for count, row in enumerate(rows, start=1)
    ]
    tx.execute(wallet_delivery.insert(), places)
    new = replace(feed, position=last + len(rows))
    new.keep(tx)
    return new


def _given(restore: Restore | None, unit: timedelta) -> int:
    """The last place that may have been given before a restore, to an event that is forgotten."""
    return 0 if restore is None else restores.counted_on(restore.at, unit)


def get(tx: Connection, event_id: str) -> Delivery:
    """The delivery of an event that has its place."""
    return _delivery(tx.execute(_query().where(_E.id == event_id)).one())


def next_of_card(tx: Connection, caller_id: str, card_no: str) -> Delivery | None:
    """The first event of a card that waits: the only one that may be sent."""
    query = (
        _query()
        .where(_D.caller_id == caller_id, _D.card_no == card_no, _D.state == DeliveryState.WAITING)
        .order_by(_D.card_position)
        .limit(1)
    )
    row = tx.execute(query).one_or_none()
    return _delivery(row) if row is not None else None


def wake(tx: Connection, caller_id: str, now: datetime, limit: int) -> None:
    """Call for the first of the events that wait without a job."""
    query = _query().where(
        _D.caller_id == caller_id, _D.state == DeliveryState.WAITING, _D.last_error == _PARKED
    )
    for row in tx.execute(query.order_by(_D.due_at, _D.position).limit(limit)).all():
        _delivery(row).look_after(tx, now)


def too_old(tx: Connection, caller_id: str, before: datetime, limit: int) -> list[Delivery]:
    """What has waited since before a moment, in order."""
    query = _query().where(
        _D.caller_id == caller_id, _D.state == DeliveryState.WAITING, _D.waiting_since <= before
    )
    return [_delivery(row) for row in tx.execute(query.order_by(_D.position).limit(limit))]


def arm_again(tx: Connection, caller_id: str, now: datetime) -> int:
    """Begin again with what was given up of a wallet's events, oldest first; returns how many there are."""
    replace(lock_feed(tx, caller_id), failures=0, paused_until=None).keep(tx)
    outbox.stage(tx, RESUME_FEED, caller_id, due_at=now)
    query = _query().where(_D.caller_id == caller_id, _D.state == DeliveryState.GIVEN_UP)
    found = [_delivery(row) for row in tx.execute(query.order_by(_D.position))]
    for each in found:
        each.step(tx, DeliveryEvent.ARMED_AGAIN, now).look_after(tx, now)
    return len(found)


def forgotten(tx: Connection, before: datetime, limit: int) -> Sequence[str]:
    """Events that are overdue since long, or have no place yet: their jobs must have died."""
    overdue = (
        select(_E.id)
        .join(wallet_delivery, _THEIRS)
        .where(_D.state == DeliveryState.WAITING, _D.due_at < before)
        .order_by(_D.due_at)
        .limit(limit)
    )
    homeless = (
        select(_E.id)
        .outerjoin(wallet_delivery, _THEIRS)
        .where(_E.at < before, _E.at > before - _PLACED_LATE, _D.event_row.is_(None))
        .order_by(_E.row)
        .limit(limit)
    )
    return [*tx.execute(overdue).scalars(), *tx.execute(homeless).scalars()]


def call_for(tx: Connection, event_ids: Sequence[str], now: datetime) -> None:
    """Stage the jobs of events anew; what waits is due now, so that it is not found again at once."""
    mine = select(_E.row).where(_E.id.in_(event_ids))
    waits = _D.state == DeliveryState.WAITING
    tx.execute(wallet_delivery.update().where(_D.event_row.in_(mine), waits).values(due_at=now))
    for event_id in event_ids:
        outbox.stage(tx, TELL_WALLET, event_id, due_at=now)


def _query() -> Select[tuple[object, ...]]:
    return select(wallet_delivery, _E.id.label("event_id")).join(wallet_event, _THEIRS)


def _delivery(row: Row[tuple[object, ...]]) -> Delivery:
    return Delivery(
        row=row.event_row,
        event_id=row.event_id,
        caller_id=row.caller_id,
        card_no=row.card_no,
        card_position=row.card_position,
        state=DeliveryState(row.state),
        tries=row.tries,
        waiting_since=row.waiting_since,
        due_at=row.due_at,
        sending_until=row.sending_until,
    )
