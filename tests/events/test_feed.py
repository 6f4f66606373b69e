"""A wallet's feed: written with the step, read in order, and nobody else's."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from ota.events import feed
from ota.events.feed import News
from tests.events.wallets import CARD, Post
from tests.platform import Platform, number, problem


def page(platform: Platform, query: str = "", by: str = "wallet") -> dict[str, Any]:
    answer = platform.get(f"/v1/events{query}", by=by)
    assert answer.status_code == 200, answer.text
    return dict(answer.json or {})


def test_an_event_is_there_exactly_if_its_step_is(platform: Platform) -> None:
    def step() -> None:
        with platform.built.store.begin() as tx:
            feed.tell(tx, News("wallet", CARD, "lost", {}), platform.clock.now())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        step()

    assert platform.rows("SELECT * FROM wallet_event") == []
    assert platform.rows("SELECT * FROM outbox") == []


def test_an_event_is_never_changed(any_platform: Platform) -> None:
    Post(any_platform).write("first")

    with pytest.raises(IntegrityError):
        any_platform.change("UPDATE wallet_event SET kind = 'other'")


@pytest.mark.parametrize("caller", ["terminal", "clerk", "nobody"])
def test_only_wallets_have_a_feed(platform: Platform, caller: str) -> None:
    with platform.built.store.begin() as tx:
        feed.tell(tx, News(caller, CARD, "seen", {}), platform.clock.now())

    assert platform.rows("SELECT * FROM wallet_event") == []


def test_a_feed_is_read_page_by_page(any_platform: Platform) -> None:
    post = Post(any_platform)
    written = [post.write(f"event {count}", number(900 + count % 2)) for count in range(5)]
    post.run()

    first = page(any_platform, "?limit=2")
    second = page(any_platform, f"?after={first['next']}&limit=2")
    last = page(any_platform, f"?after={second['next']}")
    nothing = page(any_platform, f"?after={last['next']}")

    read = [*first["events"], *second["events"], *last["events"]]
    assert [event["event_id"] for event in read] == written
    assert [event["position"] for event in read] == [1, 2, 3, 4, 5]
    assert [event["card_position"] for event in read] == [1, 1, 2, 2, 3]
    assert (first["more"], second["more"], last["more"]) == (True, True, False)
    assert nothing == {"events": [], "next": 5, "more": False}


def test_the_feed_shows_no_whole_card_number(platform: Platform) -> None:
    post = Post(platform)
    post.write("seen")
    post.run()

    (event,) = page(platform)["events"]

    assert event["card_no"] == CARD.masked
    assert event["data"] == {"n": "seen"}
    assert set(event) == {"event_id", "position", "card_position", "kind", "card_no", "at", "data"}


def test_nobody_reads_anothers_feed(platform: Platform) -> None:
    post = Post(platform)
    post.write("mine")
    post.run()

    assert page(platform, by="rival")["events"] == []
    assert problem(platform.get("/v1/events", by="terminal")) == (403, "scope_missing")
    assert problem(platform.get("/v1/events", by="clerk")) == (403, "scope_missing")


@pytest.mark.parametrize(
    "query", ["?after=-1", "?after=x", "?limit=0", "?limit=201", "?after=9223372036854775808", "?since=1"]
)
def test_a_question_that_makes_no_sense_is_refused(platform: Platform, query: str) -> None:
    assert platform.get(f"/v1/events{query}").status_code == 400


def test_a_reader_never_sees_a_gap_that_is_filled_later(any_platform: Platform) -> None:
    """Many processes write and place events of one wallet while a reader follows the feed."""
    store, now = any_platform.built.store, any_platform.clock.now()
    done = threading.Event()
    seen: list[int] = []

    def write(worker: int) -> None:
        post = Post(any_platform)
        for count in range(6):
            kind = f"{worker}.{count}"
            with store.begin() as tx:
                feed.tell(tx, News("wallet", number(900 + worker), kind, {}), now)
            post.deliveries().tell(post.event_id(kind))

    def follow() -> None:
        while True:
            is_last = done.is_set()
            with store.read() as tx:
                seen.extend(event.position for event in feed.page(tx, "wallet", len(seen), 100))
            if is_last:
                return

    with ThreadPoolExecutor(5) as pool:
        reader = pool.submit(follow)
        writers = [pool.submit(write, worker) for worker in range(4)]
        for writer in writers:
            writer.result(60)
        done.set()
        reader.result(60)

    assert seen == list(range(1, 25))
