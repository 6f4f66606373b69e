"""Loads that a city asked of this platform, as rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, select

from ota.city_hosts.models import city_grant
from ota.city_hosts.states import GRANT, GrantEvent, GrantState
from ota.core.values import CardNumber
from ota.store import history
from ota.store.inserts import insert_or_skip


@dataclass(frozen=True, slots=True)
class Grant:
    """One load of a city's own card, under the city's name for it."""

    city: str
    load_id: str
    card: CardNumber
    state: GrantState
    asked: Mapping[str, object] | None

    @property
    def name(self) -> str:
        """The load's name in the history: load ids of two cities may be the same."""
        return f"{self.city}:{self.load_id}"[:64]

    def step(self, tx: Connection, event: GrantEvent, now: datetime) -> Grant:
        """Take one step of the state machine; the caller holds the card's lock. Raises NotInThisState."""
        after = GRANT.after(self.state, event)
        if after is self.state:
            return self
        tx.execute(
            city_grant.update()
            .where(city_grant.c.city == self.city, city_grant.c.load_id == self.load_id)
            .values(state=after, updated_at=now)
        )
        _record(tx, self, self.state, event, after, now)
        return replace(self, state=after)


def find(tx: Connection, city: str, load_id: str) -> Grant | None:
    """The load, or None when the city never named it."""
    query = select(city_grant).where(city_grant.c.city == city, city_grant.c.load_id == load_id)
    row = tx.execute(query).one_or_none()
    if row is None:
        return None
    return Grant(row.city, row.load_id, CardNumber(row.card_no), GrantState(row.state), row.asked)


def card_has_open(tx: Connection, card: CardNumber) -> bool:
    """Whether some load of the card is granted and not ended."""
    query = select(city_grant.c.load_id).where(
        city_grant.c.card_no == card.digits, city_grant.c.state == GrantState.GRANTED
    )
    return tx.execute(query).first() is not None


def insert(tx: Connection, grant: Grant, now: datetime) -> bool:
    """Write a new one; the caller holds the card's lock. False when the city gave the name to another card meanwhile."""
    inserted = tx.execute(
        insert_or_skip(tx, city_grant).values(
            city=grant.city,
            load_id=grant.load_id,
            card_no=grant.card.digits,
            state=grant.state,
            asked=None if grant.asked is None else dict(grant.asked),
            created_at=now,
            updated_at=now,
        )
    )
    if inserted.rowcount == 0:
        return False
    _record(tx, grant, None, "authorised" if grant.asked else "voided_unheard", grant.state, now)
    return True


def _record(
    tx: Connection, grant: Grant, before: GrantState | None, event: str, after: GrantState, now: datetime
) -> None:
    history.record(
        tx, kind="city_grant", subject_id=grant.name, before=before, event=event, after=after, at=now
    )
