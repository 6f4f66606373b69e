"""Loads that were asked of a city's host, as rows: ask once, lock, step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, Row, or_, select

from ota.city_hosts.jobs import TELL_CITY_HOST
from ota.city_hosts.models import hosted_load
from ota.city_hosts.states import HOSTED, HostedEvent, HostedState
from ota.core.values import CardNumber, Mac4
from ota.store import history, outbox
from ota.store.inserts import insert_or_skip
from ota.topup import evidence
from ota.topup.models import load_attempt
from ota.topup.states import AttemptState

KIND = "hosted_load"


@dataclass(frozen=True, slots=True)
class HostedLoad:
    """One load at a city's host; its id is the attempt's."""

    load_id: str
    city: str
    card: CardNumber
    state: HostedState
    mac2: Mac4 | None
    tac: Mac4 | None
    tries: int

    def step(self, tx: Connection, event: HostedEvent, now: datetime, **values: str | None) -> HostedLoad:
        """Take one step of the state machine and write it into the history; the caller holds the row's lock."""
        after = HOSTED.after(self.state, event)
        tx.execute(
            hosted_load.update()
            .where(hosted_load.c.load_id == self.load_id)
            .values(state=after, tries=0, updated_at=now, **values)
        )
        history.record(
            tx, kind=KIND, subject_id=self.load_id, before=self.state, event=event, after=after, at=now
        )
        return replace(self, state=after)

    @property
    def is_asked_again(self) -> bool:
        """Whether several processes may be asking: what one of them heard is not all that the host was asked."""
        return self.state is HostedState.ASKED and self.tries > 0

    def allows(self, event: HostedEvent) -> bool:
        """Whether the event may happen now."""
        return HOSTED.allows(self.state, event)


def ask(tx: Connection, load_id: str, city: str, card: CardNumber, now: datetime) -> bool:
    """Write down that the host will be asked; False when that was written before, and now that it is asked again."""
    inserted = tx.execute(
        insert_or_skip(tx, hosted_load).values(
            load_id=load_id,
            city=city,
            card_no=card.digits,
            state=HostedState.ASKED,
            tries=0,
            created_at=now,
            updated_at=now,
        )
    )
    if inserted.rowcount != 1:
        is_open = (hosted_load.c.load_id == load_id, hosted_load.c.state == HostedState.ASKED)
        tx.execute(hosted_load.update().where(*is_open).values(tries=hosted_load.c.tries + 1))
        return False
    after = HostedState.ASKED
    history.record(tx, kind=KIND, subject_id=load_id, before=None, event="asked", after=after, at=now)
    return True


def get(tx: Connection, load_id: str) -> HostedLoad:
    """The load; its id comes from the platform's own rows."""
    return _load(tx.execute(select(hosted_load).where(hosted_load.c.load_id == load_id)).one())


def find(tx: Connection, load_id: str) -> HostedLoad | None:
    """The load, or None as long as its host has not been asked."""
    row = tx.execute(select(hosted_load).where(hosted_load.c.load_id == load_id)).one_or_none()
    return _load(row) if row is not None else None


def lock(tx: Connection, load_id: str) -> HostedLoad:
    """The load with its row locked until the phase ends."""
    query = select(hosted_load).where(hosted_load.c.load_id == load_id).with_for_update()
    return _load(tx.execute(query).one())


def keep_tac(tx: Connection, load_id: str, tac: Mac4, now: datetime) -> None:
    """Keep a TAC that the host could not be asked about."""
    _change(tx, load_id, tac=tac.value.hex(), updated_at=now)


def drop_tac(tx: Connection, load_id: str, now: datetime) -> None:
    """Forget a TAC that the host did not find to hold."""
    _change(tx, load_id, tac=None, updated_at=now)


def take_back(tx: Connection, load_id: str, now: datetime) -> None:
    """A load that was confirmed did not happen: its city is told to void it, whatever it was told before.

    Changes nothing about a load of a card that has no host, or one about which the two platforms disagree already.
    """
    if find(tx, load_id) is None:
        return
    asked = lock(tx, load_id)
    if asked.allows(HostedEvent.TAKEN_BACK):
        asked.step(tx, HostedEvent.TAKEN_BACK, now)
        outbox.stage(tx, TELL_CITY_HOST, load_id, due_at=now)


def count_try(tx: Connection, asked: HostedLoad) -> int:
    """Count one more vain try to tell the host; returns how many there were."""
    _change(tx, asked.load_id, tries=asked.tries + 1)
    return asked.tries + 1


def open_of_card(tx: Connection, card: CardNumber, but: str) -> Sequence[str]:
    """Earlier loads of a card whose end its city has not acknowledged: at most a handful."""
    mine = (hosted_load.c.card_no == card.digits, hosted_load.c.load_id != but)
    ended = or_(
        hosted_load.c.state.in_((HostedState.VOIDING, HostedState.CONFIRMING)),
        (hosted_load.c.state == HostedState.GRANTED) & load_attempt.c.state.in_(_ENDED),
    )
    return _ids(tx, *mine, ended)


def ended_unnoticed(tx: Connection, limit: int) -> Sequence[str]:
    """Granted loads whose attempt the card has decided since; the word of two people alone does not count."""
    granted = hosted_load.c.state == HostedState.GRANTED
    by_its_card = or_(
        load_attempt.c.state == AttemptState.DEAD,
        (load_attempt.c.state == AttemptState.LOADED)
        & load_attempt.c.id.not_in(evidence.confirmed_by_people()),
    )
    return _ids(tx, granted, by_its_card, limit=limit)


def left_alone(tx: Connection, before: datetime, limit: int) -> Sequence[str]:
    """Loads that a process asked for and did not live to hear about."""
    asked = hosted_load.c.state == HostedState.ASKED
    return _ids(tx, asked, hosted_load.c.created_at < before, limit=limit)


_ENDED = (AttemptState.LOADED, AttemptState.DEAD)


def _ids(tx: Connection, *conditions: object, limit: int = 20) -> Sequence[str]:
    query = (
        select(hosted_load.c.load_id)
        .join(load_attempt, load_attempt.c.id == hosted_load.c.load_id)
        .where(*conditions)  # type: ignore[arg-type]  # column expressions of several kinds
        .order_by(hosted_load.c.load_id)
        .limit(limit)
    )
    return list(tx.execute(query).scalars())


def _change(tx: Connection, load_id: str, **values: object) -> None:
    tx.execute(hosted_load.update().where(hosted_load.c.load_id == load_id).values(**values))


def _load(row: Row[tuple[object, ...]]) -> HostedLoad:
    return HostedLoad(
        load_id=row.load_id,
        city=row.city,
        card=CardNumber(row.card_no),
        state=HostedState(row.state),
        mac2=Mac4(bytes.fromhex(row.mac2)) if row.mac2 is not None else None,
        tac=Mac4(bytes.fromhex(row.tac)) if row.tac is not None else None,
        tries=row.tries,
    )
