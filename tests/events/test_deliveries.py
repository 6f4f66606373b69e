"""Events on their way to wallets' servers: in order per card, apart from each other, for as long as it is worth it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from ota.core.errors import NotFound
from ota.events.jobs import RESUME_FEED, TELL_WALLET
from ota.events.report import delays
from ota.events.service import FORGOTTEN, IN_FLIGHT
from ota.store import outbox
from ota.store.runner import JobRunner
from ota.topup.jobs import SEND_REFUND
from tests.events.wallets import CARD, DAYS, OTHER, Post, Wallets
from tests.platform import Platform, number

A_WHILE = timedelta(minutes=7)


@pytest.fixture
def post(platform: Platform) -> Post:
    return Post(platform)


def refusing(*kinds: str, status: int | None = 500) -> Any:
    """A server that does not take these kinds of events."""
    return lambda _caller, event: status if event["kind"] in kinds else 204


def test_events_of_a_card_arrive_once_and_in_order(any_platform: Platform) -> None:
    post = Post(any_platform)
    for kind in ("first", "second", "third"):
        post.write(kind)

    post.run()

    assert post.wallets.kinds == ["first", "second", "third"]
    assert [event["position"] for _, event in post.wallets.heard] == [1, 2, 3]
    assert set(post.states().values()) == {"acknowledged"}


def test_a_later_event_waits_for_the_one_before_it_whoever_comes_first(any_platform: Platform) -> None:
    post = Post(any_platform)
    first, second = post.write("first"), post.write("second")
    deliver = post.deliveries()

    deliver.tell(second)
    waited = list(post.wallets.kinds)
    deliver.tell(first)
    post.run()

    assert waited == []
    assert post.wallets.kinds == ["first", "second"]


def test_what_is_refused_holds_back_its_card_only(post: Post) -> None:
    post.wallets.says = refusing("bad")
    post.write("bad")
    post.write("behind")
    post.write("apart", OTHER)

    post.run()

    assert post.wallets.kinds == ["bad", "apart"]
    assert post.states() == {"bad": "waiting", "behind": "waiting", "apart": "acknowledged"}


def test_what_was_refused_is_tried_again_and_lets_the_next_one_go(post: Post) -> None:
    post.wallets.says = refusing("bad")
    post.write("bad")
    post.write("behind")
    post.run()

    post.wallets.says = refusing()
    post.wait(A_WHILE)

    assert post.wallets.kinds == ["bad", "bad", "behind"]


def test_pauses_grow(post: Post) -> None:
    post.wallets.says = refusing("bad")
    post.write("bad")

    ran = [post.wait(timedelta(seconds=1)) for _ in range(60)]

    tries = [second for second, count in enumerate(ran) if count]
    pauses = [later - earlier for earlier, later in pairwise(tries)]
    assert len(tries) in (5, 6)
    assert pauses == sorted(pauses)


def test_what_is_never_taken_is_given_up_and_the_next_one_goes(post: Post) -> None:
    post.wallets.says = refusing("bad")
    post.write("bad")
    post.write("behind")
    post.run()

    post.wait(DAYS)

    assert post.states() == {"bad": "given_up", "behind": "acknowledged"}


def test_a_dead_server_is_asked_by_one_event_at_a_time(post: Post) -> None:
    post.wallets.says = lambda *_: None
    for serial, card in enumerate((CARD, OTHER)):
        post.write(f"event {serial}", card)

    post.run()
    at_once = len(post.wallets.heard)
    post.wait(timedelta(minutes=1))

    assert at_once == 1
    assert len(post.wallets.heard) == 2


def test_a_dead_server_holds_nobody_else_back(post: Post) -> None:
    post.wallets.says = lambda caller, _event: None if caller == "wallet" else 204
    post.write("lost")
    post.write("other", OTHER, caller="rival")

    post.run()

    assert post.states() == {"lost": "waiting", "other": "acknowledged"}


def test_a_server_that_comes_back_gets_everything_in_order(post: Post) -> None:
    post.wallets.says = lambda *_: None
    for kind in ("first", "second"):
        post.write(kind)
    post.write("apart", OTHER)
    post.run()
    post.wallets.says = refusing()
    post.wallets.heard.clear()

    post.wait(A_WHILE)

    assert sorted(post.wallets.kinds) == ["apart", "first", "second"]
    assert post.wallets.kinds.index("first") < post.wallets.kinds.index("second")


def test_what_a_dead_server_has_not_taken_for_too_long_is_given_up_without_more_waiting(post: Post) -> None:
    post.wallets.says = lambda *_: None
    post.write("first")
    post.write("apart", OTHER)
    post.run()

    post.wait(DAYS)
    post.wait(A_WHILE)

    assert set(post.states().values()) == {"given_up"}
    assert len(post.wallets.heard) <= 3


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_server_that_says_that_it_is_overloaded_is_left_alone(post: Post, status: int) -> None:
    post.wallets.says = refusing("first", status=status)
    post.write("first")
    post.write("apart", OTHER)

    post.run()

    assert post.wallets.kinds == ["first"]


@dataclass
class Slow:
    """A wallet's server that takes its time: the platform's clock and the stop-watch move with it."""

    platform: Platform
    takes_s: float
    passed_s: float = 0.0
    jobs: int = 0

    def monotonic(self) -> float:
        return self.passed_s

    def spend(self, seconds: float) -> None:
        self.passed_s += seconds
        self.platform.clock.advance(seconds=seconds)

    def answer(self, *_: object) -> int:
        self.spend(self.takes_s)
        return 204


@pytest.mark.parametrize("takes_s", [0.3, 0.95, 2.0])
def test_a_slow_server_does_not_keep_the_worker_from_others(
    post: Post, monkeypatch: pytest.MonkeyPatch, takes_s: float
) -> None:
    slow = Slow(post.platform, takes_s)
    monkeypatch.setattr("ota.events.service.time", slow)
    post.wallets.says = slow.answer
    store, clock = post.platform.built.store, post.platform.clock
    start, waited = clock.now(), list[timedelta]()
    for count in range(40):
        post.write(f"event {count}", number(1000 + count))
    with store.begin() as tx:
        outbox.stage(tx, SEND_REFUND, "ref_x", due_at=start + timedelta(milliseconds=1))
    deliver = post.deliveries()

    def counted(job: Callable[[str], None]) -> Callable[[str], None]:
        def run(subject: str) -> None:
            slow.jobs += 1
            slow.spend(0.003)  # what a job costs at least
            job(subject)

        return run

    runner = JobRunner(
        store,
        clock,
        {
            TELL_WALLET: counted(deliver.tell),
            RESUME_FEED: counted(deliver.resume),
            SEND_REFUND: lambda _refund: waited.append(clock.now() - start),
        },
    )
    while len(post.wallets.heard) < 40 and clock.now() - start < timedelta(minutes=10):
        if not runner.run_due():
            slow.spend(0.5)

    assert len(post.wallets.heard) == 40
    assert waited[0] < timedelta(seconds=10)
    assert slow.jobs <= 4 * 40


def test_a_dead_server_costs_few_jobs_and_its_events_go_when_it_is_back(post: Post) -> None:
    post.wallets.says = lambda *_: None
    for count in range(30):
        post.write(f"event {count}", number(1000 + count))

    jobs = post.run() + sum(post.wait(timedelta(minutes=1)) for _ in range(30))
    tries = len(post.wallets.heard)
    post.wallets.says = refusing()
    post.platform.clock.moment += A_WHILE
    post.run(limit=200)

    assert jobs < 100
    assert tries < 25
    assert set(post.states().values()) == {"acknowledged"}


def test_a_try_that_is_under_way_is_not_made_twice(post: Post) -> None:
    event = post.write("first")
    second = post.deliveries()

    def meanwhile(*_: object) -> int:
        second.tell(event)
        return 204

    post.wallets.says = meanwhile

    post.deliveries().tell(event)

    assert post.wallets.kinds == ["first"]
    assert post.states() == {"first": "acknowledged"}


def test_a_try_whose_process_died_is_made_again(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    event = post.write("first")
    monkeypatch.setattr(post.wallets, "post", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        post.deliveries().tell(event)
    monkeypatch.undo()

    early = post.run()
    post.wait(2 * IN_FLIGHT)

    assert early == 1
    assert post.wallets.kinds == ["first"]


def test_an_answer_that_comes_after_the_end_changes_nothing(post: Post) -> None:
    event = post.write("first")
    other = post.deliveries()

    def twice(*_: object) -> int:
        if len(post.wallets.heard) == 1:
            post.platform.clock.moment += IN_FLIGHT
            other.tell(event)
        return 204

    post.wallets.says = twice
    post.deliveries().tell(event)

    assert post.wallets.kinds == ["first", "first"]
    assert post.states() == {"first": "acknowledged"}


def test_a_wallet_without_an_address_is_sent_nothing(platform: Platform) -> None:
    post = Post(platform, Wallets(deaf={"wallet"}))
    post.write("first")

    post.run()

    assert post.wallets.heard == []
    assert post.states() == {"first": "not_sent"}


def test_a_wallet_that_takes_its_address_away_lets_go_what_waits(post: Post) -> None:
    post.wallets.says = refusing("first")
    post.write("first")
    post.write("second")
    post.run()

    post.wallets.deaf.add("wallet")
    post.wait(A_WHILE)

    assert post.states() == {"first": "not_sent", "second": "not_sent"}


def test_a_lost_job_is_found_by_the_sweep(any_platform: Platform) -> None:
    post = Post(any_platform)
    post.write("without a place")
    post.wallets.says = refusing("overdue")
    post.write("overdue", OTHER)
    post.deliveries().tell(post.event_id("overdue"))
    post.platform.change("DELETE FROM outbox")
    post.wallets.says = refusing()

    too_early = post.deliveries().sweep()
    post.platform.clock.moment += FORGOTTEN + timedelta(minutes=1)
    found = post.deliveries().sweep()
    again = post.deliveries().sweep()
    post.run()

    assert (too_early, found, again) == (0, 2, 1)  # what has no place yet is called for until it has one
    assert set(post.states().values()) == {"acknowledged"}


def test_the_platforms_own_jobs_and_sweeps_deliver(platform: Platform) -> None:
    post = Post(platform)
    post.write("first")

    platform.built.runner.run_due()
    platform.built.runner.sweep()

    assert post.states() == {"first": "not_sent"}  # no wallet of the tests has an address
    with platform.built.store.read() as tx:
        assert outbox.backlog(tx, platform.clock.now()).waiting == 0


def test_what_is_late_is_told_by_wallet(post: Post) -> None:
    post.wallets.says = refusing("bad", "lost")
    post.write("bad")
    post.run()
    post.wait(DAYS)
    post.write("lost", OTHER)
    post.run()
    post.platform.clock.advance(seconds=1)

    with post.platform.built.store.read() as tx:
        (late,) = delays(tx, post.platform.clock.now())

    assert (late.caller_id, late.waiting, late.given_up, late.oldest_s) == ("wallet", 1, 1, 1.0)


def test_many_workers_keep_the_order_of_each_card_and_leave_nothing_behind(any_platform: Platform) -> None:
    post = Post(any_platform)
    cards = [number(900 + count) for count in range(3)]
    for count in range(24):
        post.write(f"event {count}", cards[count % 3])
    store, clock = any_platform.built.store, any_platform.clock
    workers = [JobRunner(store, clock, {TELL_WALLET: post.deliveries().tell}) for _ in range(4)]

    with ThreadPoolExecutor(4) as pool:
        for _ in range(9):  # an event whose turn has not come is called for again by the one before it
            list(pool.map(lambda worker: worker.run_due(3), workers))
    post.run()

    places = [(event["card_no"], event["card_position"]) for _, event in post.wallets.heard]
    for card in cards:
        assert [place for masked, place in places if masked == card.masked] == list(range(1, 9))
    assert set(post.states().values()) == {"acknowledged"}


def test_an_event_that_never_was_is_not_found(post: Post) -> None:
    with pytest.raises(NotFound):
        post.deliveries().tell("evt_unknown")
