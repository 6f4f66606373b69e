"""The calendar of business days: which day a moment belongs to is a row, not an arithmetic of the process.

Rows are written ahead by a sweep, and at need by a posting that finds none. A new day begins where the last one ends
and ends at midnight in Guangdong; whoever moves an end moves the beginning of the next day with it. A day that is
closed takes nothing more: what happens in it later is booked on the next day.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from sqlalchemy import Connection, Row, select

from ota.core.values import CARD_ZONE
from ota.ledger.errors import CalendarGap
from ota.ledger.models import business_day
from ota.store.inserts import insert_or_skip

AHEAD: Final = timedelta(days=7)
"""How far ahead the sweep keeps the calendar, so that an end can be moved before it comes."""


def day_of(tx: Connection, at: datetime) -> date:
    """The day on which something that happens now is booked; raises CalendarGap."""
    found = _holding(tx, at)
    if found is None:
        extend(tx, at)
        found = _holding(tx, at)
    if found is None:
        raise CalendarGap(at)
    return found.day if found.closed_at is None else day_of(tx, found.ends_at)


def extend(tx: Connection, until: datetime) -> int:
    """Write the days that are missing up to and including the one of ``until``; returns how many.

    An empty calendar begins so early that it holds now and the day before, also when the sweep is the first to write
    it and asks for `AHEAD`; the day before, since a clock may be put right by minutes around midnight.
    """
    last = tx.execute(
        select(business_day.c.day, business_day.c.ends_at).order_by(business_day.c.ends_at.desc()).limit(1)
    ).one_or_none()
    if last is None:
        day = (until - AHEAD).astimezone(CARD_ZONE).date() - timedelta(days=1)
        starts = _midnight(day)
    else:
        day, starts = last.day + timedelta(days=1), last.ends_at
    written = 0
    while starts <= until:
        ends = _midnight(day + timedelta(days=1))
        row = {"day": day, "starts_at": starts, "ends_at": ends}
        written += tx.execute(insert_or_skip(tx, business_day).values(row)).rowcount
        day, starts = day + timedelta(days=1), ends
    return written


def _holding(tx: Connection, at: datetime) -> Row[date, datetime, datetime | None] | None:
    query = select(business_day.c.day, business_day.c.ends_at, business_day.c.closed_at)
    return tx.execute(query.where(business_day.c.starts_at <= at, business_day.c.ends_at > at)).one_or_none()


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), CARD_ZONE).astimezone(UTC)
