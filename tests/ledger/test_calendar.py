"""Which day a moment belongs to is what the table says."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa

from ota.ledger import calendar
from ota.ledger.errors import CalendarGap
from ota.ledger.models import business_day
from ota.store.phases import Store

EVENING = datetime(2026, 11, 23, 15, 59, 59, 999999, tzinfo=UTC)  # 23:59:59.999999 in Guangdong
MIDNIGHT = datetime(2026, 11, 23, 16, 0, tzinfo=UTC)


def day_of(store: Store, at: datetime) -> date:
    with store.begin() as tx:
        return calendar.day_of(tx, at)


def rows(store: Store) -> list[tuple[date, datetime, datetime]]:
    with store.read() as tx:
        found = tx.execute(
            sa.select(business_day.c.day, business_day.c.starts_at, business_day.c.ends_at).order_by(
                business_day.c.day
            )
        )
        return [(row.day, row.starts_at, row.ends_at) for row in found]


def change(store: Store, day: date, **values: datetime) -> None:
    with store.begin() as tx:
        tx.execute(business_day.update().where(business_day.c.day == day).values(**values))


@pytest.mark.parametrize(
    ("at", "day"),
    [
        (EVENING, date(2026, 11, 23)),
        (MIDNIGHT, date(2026, 11, 24)),
        (MIDNIGHT - timedelta(days=1), date(2026, 11, 23)),
    ],
)
def test_a_day_is_midnight_to_midnight_in_guangdong(store: Store, at: datetime, day: date) -> None:
    assert day_of(store, at) == day


def test_days_follow_each_other_without_a_gap(store: Store) -> None:
    day_of(store, EVENING)

    day_of(store, EVENING + timedelta(days=40))

    days = rows(store)
    assert len(days) >= 41
    assert all(before[2] == after[1] for before, after in itertools.pairwise(days))
    assert all(after[0] - before[0] == timedelta(days=1) for before, after in itertools.pairwise(days))


def test_an_empty_calendar_holds_the_day_before_too(store: Store) -> None:
    day_of(store, MIDNIGHT)

    assert day_of(store, MIDNIGHT - timedelta(minutes=5)) == date(2026, 11, 23)


def test_the_sweep_that_is_first_leaves_no_gap_before_now(store: Store) -> None:
    with store.begin() as tx:
        written = calendar.extend(tx, EVENING + calendar.AHEAD)

    assert written == 9
    assert day_of(store, EVENING) == date(2026, 11, 23)
    assert day_of(store, EVENING - timedelta(days=1)) == date(2026, 11, 22)


def test_a_moment_before_the_books_began_has_no_day(store: Store) -> None:
    day_of(store, EVENING)
    long_ago = EVENING - timedelta(days=30)

    with pytest.raises(CalendarGap) as refusal:
        day_of(store, long_ago)

    assert refusal.value.details == {"at": long_ago.isoformat()}


def test_an_end_that_was_moved_counts_and_the_next_day_begins_there(store: Store) -> None:
    day_of(store, EVENING)
    cut = MIDNIGHT - timedelta(hours=1)
    last = rows(store)[-1][0]
    change(store, last, ends_at=cut)

    day = day_of(store, cut)

    assert (last, day) == (date(2026, 11, 23), date(2026, 11, 24))
    assert rows(store)[-1][1:] == (cut, MIDNIGHT + timedelta(days=1))


def test_a_closed_day_takes_nothing_more(store: Store) -> None:
    day_of(store, EVENING)
    change(store, date(2026, 11, 23), closed_at=EVENING)

    assert day_of(store, EVENING) == date(2026, 11, 24)


def test_several_closed_days_pass_on_to_the_first_open_one(store: Store) -> None:
    day_of(store, EVENING + timedelta(days=2))
    for day in (23, 24):
        change(store, date(2026, 11, day), closed_at=EVENING)

    assert day_of(store, EVENING) == date(2026, 11, 25)


def test_extending_again_writes_nothing(store: Store) -> None:
    with store.begin() as tx:
        first = calendar.extend(tx, EVENING)
        again = calendar.extend(tx, EVENING)

    assert first > 0
    assert again == 0


def test_many_postings_may_find_the_calendar_too_short_at_once(store: Store) -> None:
    day_of(store, EVENING)
    later = EVENING + timedelta(days=12)

    with ThreadPoolExecutor(6) as pool:
        days = set(pool.map(lambda _: day_of(store, later), range(6)))

    assert days == {date(2026, 12, 5)}
    assert len(rows(store)) == len({row[0] for row in rows(store)})
