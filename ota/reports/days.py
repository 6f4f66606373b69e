"""The calendar as the books use it: whether days follow each other, and journals stand on the day that takes them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final, Self

from sqlalchemy import Connection, Row, select

from ota.ledger.models import business_day
from ota.reports.facts import Facts
from ota.reports.rules import Complaint

_AT_ONCE: Final = timedelta(minutes=1)
"""A posting takes its moment before it asks for its day: what happens as a day is closed may stand on either side."""


class Days:
    """Every business day, in order."""

    def __init__(self, days: Sequence[Row[Any]]) -> None:
        self._days = days
        self._starts = [row.starts_at for row in days]
        self._place = {row.day: place for place, row in enumerate(days)}

    @classmethod
    def of(cls, tx: Connection) -> Self:
        """As the table has them."""
        return cls(tx.execute(select(business_day).order_by(business_day.c.starts_at)).all())

    def torn(self) -> Iterator[tuple[str, str]]:
        """Days that overlap, leave a gap, or end before they begin."""
        for before, after in zip(self._days, self._days[1:], strict=False):
            if before.ends_at != after.starts_at or before.day >= after.day:
                yield str(after.day), "it does not begin where the day before it ends"
        for row in self._days:
            if row.starts_at >= row.ends_at:
                yield str(row.day), "it ends before it begins"

    def wrong_in(self, each: Facts) -> Iterator[Complaint]:
        """Journals of a payment on a day that did not take what happened at their moment."""
        for booked in each.booked:
            if not self._takes(booked.business_day, booked.at):
                yield (
                    "business_day",
                    f"{booked.kind} {booked.reference} at {booked.at} on {booked.business_day}",
                )

    def _takes(self, day: date, at: datetime) -> bool:
        """The day that holds the moment takes it; once that is closed, the next one that is not."""
        holds = bisect_right(self._starts, at) - 1
        place = self._place.get(day)
        if (
            place is None
            or not 0 <= holds <= place
            or at >= self._days[holds].ends_at
            or _closed(self._days[place], at - _AT_ONCE)
        ):
            return False
        return all(_closed(row, at + _AT_ONCE) for row in self._days[holds:place])


def _closed(row: Row[Any], at: datetime) -> bool:
    """Whether the day was closed by then: closing it later does not make it have been."""
    return row.closed_at is not None and row.closed_at <= at
