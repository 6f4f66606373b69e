"""Cards: one row each, whose lock is the card's mutex."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from ota.core.errors import NextAction
from ota.core.values import CityCode
from ota.registry import cards
from ota.registry.cards import Card, CardNotUsable
from ota.registry.states import CardState
from ota.store.phases import Store
from tests.platform import Platform, number, opened_store, problem

GUANGZHOU = CityCode("5810")
NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
CARD = number(1)
SEEN = Card(CARD, GUANGZHOU, None, CardState.ACTIVE, None, None, None, None)


@pytest.fixture
def store(migrated_database_url: str) -> Iterator[Store]:
    with opened_store(migrated_database_url) as store:
        yield store


@pytest.fixture
def sqlite_store(sqlite_url: str) -> Iterator[Store]:
    with opened_store(sqlite_url) as store:
        yield store


def bind(store: Store, serial: int = 1, se_id: str = "element", product: str = "gd-compatible") -> None:
    with store.begin() as tx:
        cards.bind(tx, number(serial), GUANGZHOU, product, se_id, "wallet", NOW)


def history(store: Store) -> list[tuple[str, str]]:
    with store.read() as tx:
        query = "SELECT event, after FROM state_history WHERE kind = 'card' ORDER BY id"
        return [(row[0], row[1]) for row in tx.execute(sa.text(query))]


def test_a_card_never_seen_gets_its_row_when_it_is_first_locked(store: Store) -> None:
    with store.read() as tx:
        before = cards.find(tx, CARD)
    with store.begin() as tx:
        locked = cards.lock(tx, CARD, GUANGZHOU, NOW)
    with store.begin() as tx:
        again = cards.lock(tx, CARD, GUANGZHOU, NOW)

    assert (before, locked, again) == (None, SEEN, SEEN)
    assert history(store) == [("first_seen", "active")]


def test_whoever_locks_a_card_works_on_it_alone(store: Store) -> None:
    with store.begin() as tx:
        cards.lock(tx, CARD, GUANGZHOU, NOW)
        cards.saw_counter(tx, CARD, 0, NOW)

    def count_up(_: int) -> None:
        with store.begin() as tx:
            known = cards.lock(tx, CARD, GUANGZHOU, NOW)
            assert known.last_atc is not None
            cards.saw_counter(tx, CARD, known.last_atc + 1, NOW)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(count_up, range(24)))

    with store.read() as tx:
        found = cards.find(tx, CARD)
    assert found is not None
    assert found.last_atc == 24


def test_threads_that_see_a_card_first_make_one_row(store: Store) -> None:
    def see(_: int) -> Card:
        with store.begin() as tx:
            return cards.lock(tx, CARD, GUANGZHOU, NOW)

    with ThreadPoolExecutor(6) as pool:
        seen = list(pool.map(see, range(12)))

    assert seen == [SEEN] * 12
    assert history(store) == [("first_seen", "active")]


def test_a_card_that_was_issued_is_found_on_its_element(store: Store) -> None:
    bind(store)

    with store.read() as tx:
        found = cards.on_element(tx, "wallet", "element")
        elsewhere = cards.on_element(tx, "rival", "element")

    issued = replace(SEEN, product="gd-compatible", se_id="element", wallet_id="wallet")
    assert (found, elsewhere) == ([issued], [])
    assert history(store) == [("first_seen", "active"), ("issued", "active")]


def test_an_element_holds_one_card_of_a_product(store: Store) -> None:
    bind(store)
    bind(store, 2, product="another")
    bind(store, 3, se_id="another")

    with pytest.raises(IntegrityError):
        bind(store, 4)


def test_a_closed_card_makes_room_on_its_element(store: Store) -> None:
    bind(store)
    with store.begin() as tx:
        tx.execute(sa.text("UPDATE card SET state = 'closed'"))

    bind(store, 2)

    with store.read() as tx:
        assert [card.number for card in cards.on_element(tx, "wallet", "element")] == [number(2)]


@pytest.mark.parametrize("state", CardState)
def test_an_alarm_freezes_every_card_that_is_still_in_use(sqlite_store: Store, state: CardState) -> None:
    bind(sqlite_store)
    with sqlite_store.begin() as tx:
        tx.execute(sa.text("UPDATE card SET state = :state"), {"state": state.value})

    with sqlite_store.begin() as tx:
        cards.freeze(tx, cards.lock(tx, CARD, GUANGZHOU, NOW), "counter_jumped", NOW)

    with sqlite_store.read() as tx:
        found = cards.find(tx, CARD)
    assert found is not None
    in_use = state is not CardState.CLOSED
    assert found.state is (CardState.FROZEN if in_use else state)
    assert found.frozen_reason == ("counter_jumped" if in_use else None)


@pytest.mark.parametrize(
    ("again", "told"),
    [
        ("counter_jumped", ["counter_jumped"]),
        ("city_host_contradicts", ["counter_jumped", "city_host_contradicts"]),
    ],
)
def test_a_frozen_card_learns_another_reason_and_the_same_one_once(
    sqlite_store: Store, again: str, told: list[str]
) -> None:
    bind(sqlite_store)

    for reason in ("counter_jumped", again):
        with sqlite_store.begin() as tx:
            cards.freeze(tx, cards.lock(tx, CARD, GUANGZHOU, NOW), reason, NOW)

    with sqlite_store.read() as tx:
        found = cards.find(tx, CARD)
        rows = tx.execute(sa.text("SELECT data FROM audit WHERE action = 'card_frozen' ORDER BY position"))
        reasons = [json.loads(row.data)["reason"] for row in rows]
    assert found is not None
    assert (found.frozen_reason, reasons) == (again, told)


@pytest.mark.parametrize("state", CardState)
def test_only_an_active_card_takes_a_load(state: CardState) -> None:
    card = replace(SEEN, state=state)

    if state is CardState.ACTIVE:
        card.require_usable()
        return
    with pytest.raises(CardNotUsable) as refused:
        card.require_usable()

    assert refused.value.problem_code == f"card_{state}"
    assert refused.value.action is NextAction.CONTACT_SERVICE


@pytest.mark.parametrize(
    ("owner", "wallet", "may"),
    [(None, "wallet", True), ("wallet", "wallet", True), ("rival", "wallet", False)],
)
def test_a_card_belongs_to_its_wallet_and_a_strange_one_to_whoever_asks(
    owner: str | None, wallet: str, may: bool
) -> None:
    assert replace(SEEN, wallet_id=owner).belongs_to(wallet) == may


@pytest.mark.parametrize("by", ["wallet", "clerk"])
def test_a_card_is_shown_to_its_wallet_and_to_staff(platform: Platform, by: str) -> None:
    with platform.built.store.begin() as tx:
        cards.bind(tx, CARD, GUANGZHOU, "gd-compatible", "element", "wallet", NOW)
        cards.saw_counter(tx, CARD, 0, NOW)

    answer = platform.get(f"/v1/cards/{CARD.digits}", by=by)

    assert answer.json == {
        "card_no": CARD.digits,
        "city": "5810",
        "product": "gd-compatible",
        "state": "active",
        "se_id": "element",
        "next_online_atc": 0,
    }


@pytest.mark.parametrize(
    ("by", "number_asked", "expected"),
    [
        ("rival", CARD.digits, (404, "not_found")),
        ("wallet", number(2).digits, (404, "not_found")),
        ("wallet", number(3).digits, (404, "not_found")),
        ("wallet", "310487", (404, "not_found")),
        ("wallet", "3104870300000000٠٠١", (404, "not_found")),
        ("foshan-supervisor", CARD.digits, (404, "not_found")),
        ("terminal", CARD.digits, (403, "scope_missing")),
    ],
    ids=[
        "another wallet's",
        "a strange card",
        "no card",
        "short",
        "other digits",
        "of another city",
        "a terminal",
    ],
)
def test_a_card_is_not_shown_to_anybody_else(
    platform: Platform, by: str, number_asked: str, expected: tuple[int, str]
) -> None:
    with platform.built.store.begin() as tx:
        cards.bind(tx, CARD, GUANGZHOU, "gd-compatible", "element", "wallet", NOW)
        cards.lock(tx, number(2), GUANGZHOU, NOW)

    answer = platform.get(f"/v1/cards/{number_asked}", by=by)

    assert problem(answer) == expected
