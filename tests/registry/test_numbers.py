"""The inventory: a number is given once, to one order, and never again."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ota.core.errors import NextAction, NotInThisState
from ota.core.values import CardNumber, CityCode
from ota.registry import numbers
from ota.registry.numbers import NumbersExhausted
from ota.registry.states import NumberState
from ota.store.phases import Store
from tests.platform import number, opened_store

GUANGZHOU, FOSHAN = CityCode("5810"), CityCode("5880")
NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


def stock_up(store: Store, upto: int) -> int:
    with store.begin() as tx:
        return numbers.add(tx, GUANGZHOU, (number(serial) for serial in range(upto)), NOW)


@pytest.fixture
def store(migrated_database_url: str) -> Iterator[Store]:
    """Three numbers of Guangzhou."""
    with opened_store(migrated_database_url) as store:
        stock_up(store, 3)
        yield store


@pytest.fixture
def sqlite_store(sqlite_url: str) -> Iterator[Store]:
    with opened_store(sqlite_url) as store:
        stock_up(store, 3)
        yield store


def hold(store: Store, order_id: str, city: CityCode = GUANGZHOU) -> CardNumber:
    with store.begin() as tx:
        return numbers.hold(tx, city, order_id, NOW)


def counts(store: Store) -> dict[tuple[str, NumberState], int]:
    with store.read() as tx:
        return {(city, state): count for city, state, count in numbers.stock(tx)}


def test_orders_get_the_lowest_free_numbers_in_turn(store: Store) -> None:
    given = [hold(store, f"iss_{order}") for order in range(3)]

    assert given == [number(0), number(1), number(2)]
    assert counts(store) == {("5810", NumberState.HELD): 3}


def test_the_same_order_gets_the_same_number_again(store: Store) -> None:
    first = hold(store, "iss_1")
    hold(store, "iss_2")

    assert hold(store, "iss_1") == first
    assert counts(store) == {("5810", NumberState.HELD): 2, ("5810", NumberState.FREE): 1}


def test_an_empty_stock_is_told_and_may_be_tried_again_later(store: Store) -> None:
    for order in range(3):
        hold(store, f"iss_{order}")

    with pytest.raises(NumbersExhausted) as refused:
        hold(store, "iss_4")

    assert refused.value.may_retry
    assert refused.value.action is NextAction.RETRY_SAME_KEY
    with store.read() as tx:
        assert not numbers.has_free(tx, GUANGZHOU)


def test_a_citys_numbers_are_not_given_to_another(store: Store) -> None:
    with pytest.raises(NumbersExhausted):
        hold(store, "iss_1", FOSHAN)

    with store.read() as tx:
        assert (numbers.has_free(tx, GUANGZHOU), numbers.has_free(tx, FOSHAN)) == (True, False)


def test_importing_numbers_again_adds_only_the_new_ones(store: Store) -> None:
    held = hold(store, "iss_1")

    added = stock_up(store, 5)

    assert added == 2
    assert counts(store) == {("5810", NumberState.HELD): 1, ("5810", NumberState.FREE): 4}
    assert hold(store, "iss_1") == held


def test_a_large_import_goes_in_as_a_whole(store: Store) -> None:
    assert stock_up(store, 1203) == 1200


def test_threads_never_get_the_same_number(store: Store) -> None:
    stock_up(store, 40)

    with ThreadPoolExecutor(8) as pool:
        given = list(pool.map(lambda order: hold(store, f"iss_{order}"), range(40)))

    assert sorted(each.digits for each in given) == [number(serial).digits for serial in range(40)]


def test_threads_that_ask_for_one_order_get_one_number(store: Store) -> None:
    hold(store, "iss_1")

    with ThreadPoolExecutor(4) as pool:
        given = set(pool.map(lambda _: hold(store, "iss_1"), range(8)))

    assert given == {number(0)}


def test_more_threads_than_numbers_are_told_that_the_stock_is_empty(store: Store) -> None:
    def try_hold(order: int) -> CardNumber | None:
        try:
            return hold(store, f"iss_{order}")
        except NumbersExhausted:
            return None

    with ThreadPoolExecutor(8) as pool:
        given = [each for each in pool.map(try_hold, range(16)) if each is not None]

    assert len(given) >= 1
    assert len(set(given)) == len(given) == counts(store)["5810", NumberState.HELD]


def test_a_bound_number_can_only_be_retired(sqlite_store: Store) -> None:
    card = hold(sqlite_store, "iss_1")
    with sqlite_store.begin() as tx:
        numbers.bind(tx, card, NOW)

    with pytest.raises(NotInThisState), sqlite_store.begin() as tx:
        numbers.bind(tx, card, NOW)
    with sqlite_store.begin() as tx:
        numbers.retire(tx, card, NOW)

    assert counts(sqlite_store)["5810", NumberState.RETIRED] == 1


def test_a_retired_number_is_never_given_again(sqlite_store: Store) -> None:
    spent = hold(sqlite_store, "iss_1")
    with sqlite_store.begin() as tx:
        numbers.retire(tx, spent, NOW)
        again = numbers.add(tx, GUANGZHOU, [spent], NOW)

    given = [hold(sqlite_store, "iss_2"), hold(sqlite_store, "iss_3")]

    assert again == 0
    assert spent not in given


def test_a_free_number_is_neither_bound_nor_retired(sqlite_store: Store) -> None:
    with pytest.raises(NotInThisState), sqlite_store.begin() as tx:
        numbers.bind(tx, number(0), NOW)
    with pytest.raises(NotInThisState), sqlite_store.begin() as tx:
        numbers.retire(tx, number(0), NOW)


def test_a_phase_that_fails_gives_its_number_back(store: Store, tmp_path: Path) -> None:
    def hold_and_fail() -> None:
        with store.begin() as tx:
            numbers.hold(tx, GUANGZHOU, "iss_1", NOW)
            (tmp_path / "absent").read_bytes()

    with pytest.raises(FileNotFoundError):
        hold_and_fail()

    assert counts(store) == {("5810", NumberState.FREE): 3}
