"""The one thread of a process that touches a PKCS#11 library; any thread may hand it work and wait."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from queue import SimpleQueue
from threading import Lock, Thread, current_thread
from typing import Any, Final, Generic, TypeVar

from ota.hsm_adapter.pkcs11.errors import TokenThreadTaken, TokenUnavailable

Result = TypeVar("Result")

_MOST: Final = 0.5
"""Work that ran for more than this part of its deadline has itself to blame for missing it, and not its turn."""

_STUCK: Final = 2.0
"""Work that runs for more than so many deadlines keeps the thread for good, as far as anybody can tell."""


class _Task(Generic[Result]):
    """One piece of work and what became of it. A lock tells the end: a Future would take as long as a derivation."""

    __slots__ = ("_began", "_ended", "_monotonic", "_problem", "_result", "_work", "abandoned", "deadline_s")

    def __init__(self, work: Callable[[], Result], deadline_s: float, monotonic: Callable[[], float]) -> None:
        self._work = work
        self._monotonic = monotonic
        self._began: float | None = None
        self._ended = Lock()
        self._ended.acquire()
        self._problem: BaseException | None = None
        self.abandoned = False
        self.deadline_s = deadline_s

    def do(self) -> None:
        """Carry it out, on the token's thread, unless nobody waits for it any more."""
        if self.abandoned:
            return
        self._began = self._monotonic()
        try:
            self._result = self._work()
        except BaseException as problem:  # noqa: BLE001  it belongs to the caller; this thread goes on
            self._problem = problem
        self._began = None
        self._ended.release()

    def ran_s(self) -> float:
        """For how many seconds it has been at work; 0 before it begins and once it has ended."""
        began = self._began  # read once: it may end meanwhile
        return 0.0 if began is None else self._monotonic() - began

    def wait(self) -> Result:
        """What it returned or raised; TokenUnavailable when it did not end in time, TokenThreadTaken if its turn came late."""
        if not self._ended.acquire(timeout=self.deadline_s):
            self.abandoned = True
            why = TokenUnavailable if self.ran_s() > _MOST * self.deadline_s else TokenThreadTaken
            raise why(f"no answer within {self.deadline_s:g} s")
        if self._problem is not None:
            try:
                raise self._problem
            finally:
                self._problem = None  # the traceback would hold this task, and this task the traceback
        return self._result


class TokenThread:
    """Runs one piece of work after another; starts with the first.

    python-pkcs11 gives wrong results and crashes when two threads use it (HSM.md), so there is one for all tokens.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._waiting: SimpleQueue[_Task[Any]] = SimpleQueue()
        self._running: _Task[Any] | None = None
        self._starting = Lock()
        self._thread: Thread | None = None

    def run(self, work: Callable[[], Result], deadline_s: float) -> Result:
        """What the work returns or raises; TokenUnavailable when it did not end in time.

        TokenThreadTaken, which tells nothing about the token, is raised when its turn came late or not at all (it is then
        dropped), and at once when the thread is stuck. Work may hand in further work, which runs at once.
        """
        if current_thread() is self._thread:
            return work()
        self._refuse_if_stuck(deadline_s)
        self._start()
        task = _Task(work, deadline_s, self._monotonic)
        self._waiting.put(task)
        return task.wait()

    def _refuse_if_stuck(self, deadline_s: float) -> None:
        """Let nobody wait in vain for a call that will hardly come back; who is far more patient than its caller still may."""
        running = self._running
        if running is not None and running.ran_s() > _STUCK * max(running.deadline_s, deadline_s):
            raise TokenThreadTaken("an earlier call has not come back")

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = Thread(target=self._serve, name="pkcs11", daemon=True)
                self._thread.start()

    def _serve(self) -> None:
        while True:
            self._running = self._waiting.get()
            self._running.do()
            self._running = None  # it holds a result


class _Current:
    """Holds the thread of this process; a fork leaves the parent's behind."""

    def __init__(self) -> None:
        self.thread = TokenThread()

    def renew(self) -> None:
        self.thread = TokenThread()


_current = _Current()
os.register_at_fork(after_in_child=_current.renew)


def token_thread() -> TokenThread:
    """The thread of this process."""
    return _current.thread
