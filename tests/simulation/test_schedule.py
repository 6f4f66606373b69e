from __future__ import annotations

from datetime import timedelta

import pytest

from ota.sandbox.simulation.schedule import START, Pause, Schedule, Steps, VirtualClock


@pytest.fixture
def schedule() -> Schedule:
    return Schedule(VirtualClock())


def test_things_happen_in_the_order_of_time_and_then_of_planning(schedule: Schedule) -> None:
    done: list[str] = []
    schedule.after(2, lambda: done.append("later"))
    schedule.after(1, lambda: done.append("first"))
    schedule.after(1, lambda: done.append("second"))

    while schedule.run_next():
        pass

    assert done == ["first", "second", "later"]
    assert schedule.clock.elapsed_s == 2


def test_an_actor_goes_on_after_its_pause(schedule: Schedule) -> None:
    seen: list[float] = []

    def actor() -> Steps[None]:
        seen.append(schedule.clock.elapsed_s)
        yield Pause(5)
        seen.append(schedule.clock.elapsed_s)

    schedule.start(1, actor())
    while schedule.run_next():
        pass

    assert seen == [1, 6]


def test_what_is_no_pause_is_given_to_the_carrier(schedule: Schedule) -> None:
    got: list[str] = []
    schedule.carry_by(lambda wish, resume: schedule.after(3, lambda: resume(f"answer to {wish}")))

    def actor() -> Steps[None]:
        got.append((yield "question"))

    schedule.start(0, actor())
    while schedule.run_next():
        pass

    assert got == ["answer to question"]


def test_a_wish_that_nobody_carries_is_a_mistake(schedule: Schedule) -> None:
    def actor() -> Steps[None]:
        yield "question"

    schedule.start(0, actor())

    with pytest.raises(TypeError, match="nobody fulfils"):
        schedule.run_next()


def test_only_requests_may_be_taken_out_of_turn(schedule: Schedule) -> None:
    done: list[str] = []
    schedule.after(1, lambda: done.append("a pause ends"))
    schedule.after(2, lambda: done.append("a request arrives"), urgent=True)
    schedule.after(30, lambda: done.append("another request"), urgent=True)

    assert schedule.overtake(within_s=5)
    assert not schedule.overtake(within_s=5)

    assert done == ["a request arrives"]
    assert schedule.clock.elapsed_s == 2


def test_time_never_goes_back(schedule: Schedule) -> None:
    moments: list[float] = []
    schedule.after(1, lambda: moments.append(schedule.clock.elapsed_s))
    schedule.after(4, lambda: None, urgent=True)

    schedule.overtake(within_s=5)
    schedule.run_next()

    assert moments == [4]


def test_the_world_can_go_on_for_some_seconds(schedule: Schedule) -> None:
    done: list[str] = []
    schedule.after(1, lambda: done.append("within"))
    schedule.after(9, lambda: done.append("after"))

    schedule.run_for(5)

    assert done == ["within"]
    assert schedule.clock.elapsed_s == 5


def test_the_platforms_clock_may_be_wrong_and_nobody_elses() -> None:
    clock = VirtualClock(hours_later=3)
    clock.elapsed_s, clock.skew_s = 60.0, -290.0

    assert clock.true_now() == START + timedelta(hours=3, seconds=60)
    assert clock.now() == clock.true_now() - timedelta(seconds=290)
    assert clock.time_ns() == int(clock.now().timestamp() * 1000) * 1_000_000
