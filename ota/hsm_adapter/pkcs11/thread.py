"""The one thread of a process that touches a PKCS#11 library; any thread may hand it work and wait."""

from __future__ import annotations

import os
from collections.abc import Callable
from queue import SimpleQueue
from threading import Lock, Thread, current_thread
from typing import Any, Generic, TypeVar

from ota.hsm_adapter.pkcs11.errors import TokenThreadTaken, TokenUnavailable

Result = TypeVar("Result")


class _Task(Generic[Result]):
    """One piece of work and what became of it. A lock tells the end: a Future would take as long as a derivation."""

    __slots__ = ("_ended", "_problem", "_result", "_work", "abandoned", "begun")

    def __init__(self, work: Callable[[], Result]) -> None:
        self._work = work
        self._ended = Lock()
        self._ended.acquire()
        self._problem: BaseException | None = None
        self.abandoned = False
        self.begun = False

    def do(self) -> None:
        """Carry it out, on the token's thread, unless nobody waits for it any more."""
        if self.abandoned:
            return
        self.begun = True
        try:
            self._result = self._work()
        except BaseException as problem:  # noqa: BLE001  it belongs to the caller; this thread goes on
            self._problem = problem
        self._ended.release()

    def wait(self, deadline_s: float) -> Result:
        """What it returned or raised; TokenUnavailable when it did not end in time, TokenThreadTaken if it never began."""
        if not self._ended.acquire(timeout=deadline_s):
            self.abandoned = True
            why = TokenUnavailable if self.begun else TokenThreadTaken
            raise why(f"no answer within {deadline_s:g} s")
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

    def __init__(self) -> None:
        self._waiting: SimpleQueue[_Task[Any]] = SimpleQueue()
        self._starting = Lock()
        self._thread: Thread | None = None

    def run(self, work: Callable[[], Result], deadline_s: float) -> Result:
        """What the work returns or raises; TokenUnavailable when it did not end in time.

        Work that has not begun by then is dropped, and TokenThreadTaken says so: it tells nothing about its token. Work may hand in further work, which runs at once.
        """
        if current_thread() is self._thread:
            return work()
        self._start()
        task = _Task(work)
        self._waiting.put(task)
        return task.wait(deadline_s)

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = Thread(target=self._serve, name="pkcs11", daemon=True)
                self._thread.start()

    def _serve(self) -> None:
        while True:
            self._waiting.get().do()


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
