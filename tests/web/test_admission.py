"""Too much to do: new orders are turned away first, and what is under way gets through."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import pytest
from werkzeug.test import TestResponse

from ota.app import create_app
from ota.topup.service import Topups
from ota.web.admission import Gate, Lane, Overloaded, Room
from tests.elements import blank
from tests.platform import Platform, make_platform, number, platform, problem, sqlite_url

__all__ = ["make_platform", "platform", "sqlite_url"]

CARD = number(904).digits
SOON = Room(working=3, reserved=1, waiting_orders=2, order_patience_s=0.2, patience_s=0.3)


def soon(holds: Callable[[], bool]) -> bool:
    """Whether something becomes true within seconds."""
    until = time.monotonic() + 5
    while not holds() and time.monotonic() < until:
        time.sleep(0.005)
    return holds()


def waiting(gate: Gate, lane: Lane) -> int:
    return gate._waiting[lane]


@contextmanager
def inside(gate: Gate, *lanes: Lane) -> Iterator[None]:
    for lane in lanes:
        gate.enter(lane)
    yield
    for lane in lanes:
        gate.leave(lane)


def test_orders_leave_the_reserved_slots_free() -> None:
    gate = Gate(SOON)

    with inside(gate, Lane.ORDER, Lane.ORDER):
        with pytest.raises(Overloaded):
            gate.enter(Lane.ORDER)
        with inside(gate, Lane.OTHER):
            assert gate._working == {Lane.ORDER: 2, Lane.OTHER: 1}

    assert gate._working == {Lane.ORDER: 0, Lane.OTHER: 0}


def test_orders_that_are_too_many_do_not_wait_at_all() -> None:
    gate = Gate(Room(working=1, reserved=0, waiting_orders=0, order_patience_s=60))

    with inside(gate, Lane.ORDER):
        began = time.monotonic()
        with pytest.raises(Overloaded):
            gate.enter(Lane.ORDER)
        took = time.monotonic() - began

    assert took < 1


def test_others_wait_longer_and_not_for_ever() -> None:
    gate = Gate(SOON)

    with inside(gate, Lane.OTHER, Lane.OTHER, Lane.OTHER), pytest.raises(Overloaded):
        gate.enter(Lane.OTHER)

    assert (waiting(gate, Lane.OTHER), gate._working[Lane.OTHER]) == (0, 0)


def test_whoever_reports_goes_before_whoever_orders() -> None:
    gate = Gate(Room(working=1, reserved=0, waiting_orders=9, order_patience_s=9))
    came: list[Lane] = []

    def come(lane: Lane) -> None:
        gate.enter(lane)
        came.append(lane)
        gate.leave(lane)

    with ThreadPoolExecutor(4) as pool, inside(gate, Lane.ORDER):
        for count in (1, 2):
            pool.submit(come, Lane.ORDER)
            assert soon(lambda count=count: waiting(gate, Lane.ORDER) == count)  # type: ignore[misc]
        pool.submit(come, Lane.OTHER)
        assert soon(lambda: waiting(gate, Lane.OTHER) == 1)

    assert came == [Lane.OTHER, Lane.ORDER, Lane.ORDER]


def test_nobody_is_forgotten_and_never_too_many_work() -> None:
    room = Room(working=3, reserved=1, waiting_orders=100, order_patience_s=30, patience_s=30)
    gate = Gate(room)
    most, done = [0, 0], []

    def work(count: int) -> None:
        lane = Lane.ORDER if count % 3 else Lane.OTHER
        gate.enter(lane)
        most[0] = max(most[0], sum(gate._working.values()))
        most[1] = max(most[1], gate._working[Lane.ORDER])
        time.sleep(0.001)
        gate.leave(lane)
        done.append(count)

    with ThreadPoolExecutor(30) as pool:
        list(pool.map(work, range(300)))

    assert (len(done), most) == (300, [3, 2])


@pytest.mark.parametrize("sizes", [(0, 0, 0), (1, 1, 0), (2, -1, 0), (2, 1, -1)])
def test_a_room_without_a_slot_for_orders_is_none(sizes: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="slot"):
        Room(*sizes)


@pytest.fixture
def crowded(platform: Platform) -> Platform:
    """A platform whose gate is small."""
    room = Room(working=3, reserved=1, waiting_orders=3, order_patience_s=0.3)
    platform.__dict__["app"] = create_app(platform.built, Gate(room))
    return platform


def test_orders_are_refused_while_reports_and_payments_still_pass(
    crowded: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    element = blank()
    card_no = crowded.issue(element)
    paid, unpaid = crowded.order_topup(card_no), crowded.order_topup(card_no, 100, payment=None)
    free, at_work = threading.Event(), threading.Semaphore(0)
    order = Topups.order

    def slow(self: Topups, *more: Any) -> Any:
        at_work.release()
        free.wait(30)
        return order(self, *more)

    monkeypatch.setattr(Topups, "order", slow)

    def order_one(_: int) -> TestResponse:
        return crowded.post("/v1/topups", {"card_no": CARD, "amount_fen": 100})

    with ThreadPoolExecutor(20) as pool:
        orders = [pool.submit(order_one, count) for count in range(20)]
        both_at_work = all(at_work.acquire(timeout=10) for _ in range(2))
        refused = soon(lambda: sum(each.done() for each in orders) == 18)
        loaded = crowded.open(paid["order_id"], element).finish()
        notice = crowded.post(f"/v1/topups/{unpaid['order_id']}/payment", {"payment": crowded.payment(100)})
        health = crowded.app.test_client().get("/healthz")
        free.set()
    answers = [each.result() for each in orders]

    turned_away = [answer for answer in answers if answer.status_code == 503]
    assert (both_at_work, refused, len(turned_away)) == (True, True, 18)
    assert {problem(answer) for answer in turned_away} == {(503, "overloaded")}
    assert {answer.headers["Retry-After"] for answer in turned_away} == {"2"}
    assert (turned_away[0].json or {})["next_action"] == "retry_same_key"
    assert [answer.status_code for answer in answers].count(201) == 2
    assert (loaded["outcome"]["state"], notice.status_code, health.status_code) == ("loaded", 200, 200)


def test_an_order_that_was_turned_away_is_taken_with_the_same_key(crowded: Platform) -> None:
    body = {"card_no": CARD, "amount_fen": 100}
    full = Gate(Room(working=1, reserved=0, waiting_orders=0))
    crowded.__dict__["app"] = create_app(crowded.built, full)

    with inside(full, Lane.OTHER):
        first = crowded.post("/v1/topups", body, key="once")
    again = crowded.post("/v1/topups", body, key="once")

    assert problem(first) == (503, "overloaded")
    assert again.status_code == 201
    assert "Idempotent-Replayed" not in again.headers


def test_a_request_that_fails_gives_its_slot_back(crowded: Platform) -> None:
    one = Gate(Room(working=1, reserved=0, waiting_orders=0))
    crowded.__dict__["app"] = create_app(crowded.built, one)

    refusals = [crowded.post("/v1/topups", {}).status_code for _ in range(3)]
    strangers = [crowded.app.test_client().post("/v1/topups").status_code for _ in range(3)]

    assert (refusals, strangers) == ([400] * 3, [401] * 3)
    assert crowded.get("/v1/topups?card_no=" + CARD).status_code == 200


class Endless(BytesIO):
    """A body of which the beginning came, and the rest does not."""

    def __init__(self) -> None:
        super().__init__(bytes(100))  # what its length is told to be
        self.asked, self.given_up = threading.Event(), threading.Event()

    def read(self, _size: int | None = -1, /) -> bytes:
        self.asked.set()
        self.given_up.wait(30)
        return b""

    def readinto(self, _buffer: Any, /) -> int:
        self.read()
        return 0


def test_a_body_that_never_comes_keeps_nobody_out(crowded: Platform) -> None:
    crowded.__dict__["app"] = create_app(crowded.built, Gate(Room(working=1, reserved=0, waiting_orders=0)))
    body = Endless()

    def post_slowly() -> int:
        client = crowded.app.test_client()
        return client.post("/v1/topups", input_stream=body, content_length=100).status_code

    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(post_slowly)
        was_asked = body.asked.wait(10)
        others = crowded.get(f"/v1/topups?card_no={CARD}").status_code
        body.given_up.set()
        status = slow.result(30)

    assert (was_asked, others, status) == (True, 200, 400)
