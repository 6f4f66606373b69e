from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from ota.hsm_adapter.pkcs11.errors import TokenUnavailable
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


def test_a_forked_process_has_a_thread_of_its_own() -> None:
    current = _Current()
    parents = current.thread

    current.renew()

    assert current.thread is not parents
    assert current.thread.run(lambda: 1, 5) == 1
