"""A journal sums to zero, is written once, and is never changed."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError

from ota.core.values import CityCode
from ota.ledger import journals
from ota.ledger.accounts import Account, AccountKind, channel, of_city
from ota.ledger.errors import BookedDifferently, NotBooked, Unbalanced
from ota.ledger.journals import Journal, JournalKind, Line, move
from ota.ledger.models import account, journal, posting
from ota.store.phases import Store

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
ALIPAY = channel("alipay")
SUSPENSE = of_city(AccountKind.SUSPENSE, CityCode("5810"))
TAKEN = JournalKind.PAYMENT_TAKEN


def taken(amount: int = 5000, reference: str = "pay_1", credit: Account = SUSPENSE) -> Journal:
    return move(TAKEN, reference, "pay_1", amount, debit=ALIPAY, credit=credit)


def post(store: Store, *wanted: Journal, at: datetime = NOW) -> list[bool]:
    with store.begin() as tx:
        return [journals.post(tx, each, at) for each in wanted]


def lines(store: Store) -> list[tuple[str, int]]:
    with store.read() as tx:
        rows = tx.execute(sa.select(posting).order_by(posting.c.journal_id, posting.c.line))
        return [(row.account_id, row.amount_fen) for row in rows]


def test_a_journal_is_written_with_its_lines_day_and_accounts(store: Store) -> None:
    written = post(store, taken())

    with store.read() as tx:
        row = tx.execute(sa.select(journal)).one()
        accounts = {each.id: (each.kind, each.owner) for each in tx.execute(sa.select(account))}
    assert written == [True]
    assert (row.kind, row.reference, row.subject_id, str(row.business_day), row.at) == (
        "payment_taken",
        "pay_1",
        "pay_1",
        "2026-11-23",
        NOW,
    )
    assert lines(store) == [("channel:alipay", 5000), ("suspense:5810", -5000)]
    assert accounts == {"channel:alipay": ("channel", "alipay"), "suspense:5810": ("suspense", "5810")}


def test_what_happened_once_is_booked_once(store: Store) -> None:
    first = post(store, taken())

    again = post(store, taken(), at=NOW + timedelta(days=3))

    assert (first, again) == ([True], [False])
    assert len(lines(store)) == 2


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(taken(5001), id="another amount"),
        pytest.param(taken(credit=of_city(AccountKind.FEE, CityCode("5810"))), id="another account"),
        pytest.param(
            move(TAKEN, "pay_1", "pay_2", 5000, debit=ALIPAY, credit=SUSPENSE), id="another payment"
        ),
    ],
)
def test_the_same_event_with_other_lines_is_a_mistake(store: Store, other: Journal) -> None:
    post(store, taken())

    with pytest.raises(BookedDifferently) as refusal:
        post(store, other)

    assert refusal.value.details == {"kind": "payment_taken", "reference": "pay_1"}
    assert len(lines(store)) == 2


@pytest.mark.parametrize("amount", [0, 1.5, True, "5000"])
def test_a_line_is_whole_fen(amount: Any) -> None:
    with pytest.raises(Unbalanced) as refusal:
        Journal(TAKEN, "pay_1", "pay_1", (Line(ALIPAY, amount), Line(SUSPENSE, -5000)))

    assert refusal.value.details == {"kind": "payment_taken", "reference": "pay_1"}


@pytest.mark.parametrize("count", [0, 1])
def test_a_journal_has_two_sides(count: int) -> None:
    with pytest.raises(Unbalanced):
        Journal(TAKEN, "pay_1", "pay_1", (Line(ALIPAY, 1),) * count)


@given(st.lists(st.integers(-(2**40), 2**40).filter(bool), min_size=2, max_size=6))
def test_only_lines_that_sum_to_zero_make_a_journal(amounts: list[int]) -> None:
    made = tuple(Line(ALIPAY, amount) for amount in amounts)

    if sum(amounts) == 0:
        assert Journal(TAKEN, "r", "s", made).lines == made
    else:
        with pytest.raises(Unbalanced):
            Journal(TAKEN, "r", "s", made)


def test_a_reversal_is_the_opposite_and_happens_once(store: Store) -> None:
    post(store, taken())
    with store.begin() as tx:
        first = journals.reverse(tx, TAKEN, "pay_1", NOW)
        again = journals.reverse(tx, TAKEN, "pay_1", NOW)

    with store.read() as tx:
        found = journals.find(tx, JournalKind.REVERSAL, "payment_taken:pay_1")
    assert (first, again) == (True, False)
    assert found is not None
    assert found == journals.opposite(taken())
    assert sum(amount for name, amount in lines(store) if name == "suspense:5810") == 0


def test_what_was_never_booked_cannot_be_reversed(store: Store) -> None:
    with pytest.raises(NotBooked) as refusal, store.begin() as tx:
        journals.reverse(tx, TAKEN, "pay_9", NOW)

    assert refusal.value.details == {"kind": "payment_taken", "reference": "pay_9"}


def test_an_event_is_found_among_others_of_its_kind_and_of_its_reference(store: Store) -> None:
    """A payment's id is the reference of several kinds of events; a kind has many references."""
    wanted = taken(1)
    written_off = move(JournalKind.WRITTEN_OFF, "pay_1", "pay_1", 1, debit=SUSPENSE, credit=ALIPAY)
    post(store, taken(reference="pay_0"), wanted, written_off, taken(reference="pay_2"))

    with store.read() as tx:
        found = [journals.find(tx, kind, "pay_1") for kind in (TAKEN, JournalKind.WRITTEN_OFF)]

    assert found == [wanted, written_off]


def test_lines_are_numbered_from_one_in_their_order(store: Store) -> None:
    post(store, taken())

    with store.read() as tx:
        rows = tx.execute(sa.select(posting.c.line, posting.c.account_id).order_by(posting.c.line)).all()
    assert [tuple(row) for row in rows] == [(1, "channel:alipay"), (2, "suspense:5810")]


def test_nothing_is_found_where_nothing_was_booked(store: Store) -> None:
    with store.read() as tx:
        assert journals.find(tx, TAKEN, "pay_1") is None


def test_a_journal_lives_and_dies_with_the_step_it_belongs_to(store: Store) -> None:
    def step() -> None:
        with store.begin() as tx:
            journals.post(tx, taken(), NOW)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        step()
    assert lines(store) == []


@pytest.mark.parametrize("table", ["journal", "posting"])
@pytest.mark.parametrize("verb", ["UPDATE {} SET {}={}", "DELETE FROM {}"])
def test_the_database_itself_refuses_to_change_the_books(store: Store, table: str, verb: str) -> None:
    post(store, taken())
    column = {"journal": "kind", "posting": "amount_fen"}[table]

    with pytest.raises(IntegrityError), store.begin() as tx:
        tx.exec_driver_sql(verb.format(table, column, column))

    assert len(lines(store)) == 2


def test_many_that_book_the_same_event_at_once_book_it_once(store: Store) -> None:
    together = threading.Barrier(8)

    def book(_number: int) -> list[bool]:
        together.wait()
        return post(store, taken())

    with ThreadPoolExecutor(8) as pool:
        written = [one for made in pool.map(book, range(8)) for one in made]

    assert sorted(written) == [False] * 7 + [True]
    assert len(lines(store)) == 2
