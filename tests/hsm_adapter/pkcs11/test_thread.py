from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from ota.hsm_adapter.pkcs11.errors import TokenThreadTaken, TokenUnavailable
from ota.hsm_adapter.pkcs11.thread import TokenThread, _Current


def test_all_work_is_done_by_one_thread_whoever_hands_it_in() -> None:
    thread = TokenThread()

    with ThreadPoolExecutor(8) as callers:
        names = set(callers.map(lambda _: thread.run(threading.get_ident, 5), range(200)))

    assert len(names) == 1
    assert threading.get_ident() not in names


def test_what_the_work_raises_reaches_its_caller_and_the_next_work_is_done() -> None:
    thread = TokenThread()

    with pytest.raises(ZeroDivisionError):
        thread.run(lambda: 1 // 0, 5)

    assert thread.run(lambda: "next", 5) == "next"


def test_work_may_hand_in_more_work() -> None:
    thread = TokenThread()

    assert thread.run(lambda: thread.run(lambda: thread.run(lambda: 3, 5), 5), 5) == 3


def test_a_caller_does_not_wait_longer_than_its_deadline_and_what_was_not_begun_is_dropped() -> None:
    thread, go_on, done = TokenThread(), threading.Event(), list[str]()
    slow = threading.Thread(target=lambda: thread.run(go_on.wait, 5))
    slow.start()
    time.sleep(0.05)

    with pytest.raises(TokenUnavailable, match=r"no answer within 0\.01 s"):
        thread.run(lambda: done.append("late"), 0.01)
    go_on.set()
    slow.join()

    assert thread.run(lambda: list(done), 5) == []


@dataclass
class Hanging:
    """A thread, its clock, and work that takes ``lasts_s`` on that clock and does not come back before ``free``."""

    lasts_s: float
    now: float = 0.0
    free: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.thread = TokenThread(monotonic=lambda: self.now)

    def work(self) -> None:
        self.now += self.lasts_s
        self.free.wait(30)

    def occupy(self, for_s: float) -> None:
        """Keep the thread with other work for a moment, which is ``for_s`` on its clock."""
        began, go_on = threading.Event(), threading.Event()

        def others() -> None:
            began.set()
            go_on.wait(30)
            self.now += for_s

        threading.Thread(target=lambda: self.thread.run(others, 30)).start()
        began.wait(30)
        threading.Timer(0.1, go_on.set).start()


@pytest.mark.parametrize(
    ("ran_s", "blamed"), [(0.1, TokenThreadTaken), (0.25, TokenThreadTaken), (0.4, TokenUnavailable)]
)
def test_work_is_blamed_for_a_missed_deadline_only_if_it_ran_for_most_of_it(
    ran_s: float, blamed: type[TokenUnavailable]
) -> None:
    hanging = Hanging(ran_s)
    hanging.occupy(for_s=0.4)

    with pytest.raises(TokenUnavailable, match=r"no answer within 0\.5 s") as raised:
        hanging.thread.run(hanging.work, 0.5)
    hanging.free.set()

    assert type(raised.value) is blamed


@pytest.mark.parametrize(
    ("lasts_s", "deadline_s", "told"),
    [
        (0.9, 0.5, r"no answer within 0\.5 s"),
        (1.1, 0.5, "has not come back"),
        (1.1, 0.01, "has not come back"),
        (1.1, 0.6, r"no answer within 0\.6 s"),
    ],
)
def test_nobody_waits_for_a_call_that_has_lasted_two_deadlines_but_who_has_more_patience(
    lasts_s: float, deadline_s: float, told: str
) -> None:
    hanging = Hanging(lasts_s)
    with pytest.raises(TokenUnavailable):
        hanging.thread.run(hanging.work, 0.5)

    with pytest.raises(TokenThreadTaken, match=told):
        hanging.thread.run(lambda: None, deadline_s)
    hanging.free.set()

    assert hanging.thread.run(lambda: "free", 30) == "free"


def test_a_thread_that_had_nothing_to_do_for_long_is_not_held_to_be_stuck() -> None:
    hanging = Hanging(lasts_s=100)
    hanging.free.set()
    hanging.thread.run(hanging.work, 5)
    hanging.now += 3600

    assert hanging.thread.run(lambda: "at work", 5) == "at work"


def test_a_forked_process_has_a_thread_of_its_own() -> None:
    current = _Current()
    parents = current.thread

    current.renew()

    assert current.thread is not parents
    assert current.thread.run(lambda: 1, 5) == 1
