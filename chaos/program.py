"""A program that is kept running: whoever kills it sees it come back, and how long that took."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tools.services.process import Process, wait_until

_POLL_S: Final = 0.05
_BETWEEN_STARTS_S: Final = 0.25
_DEATH_S: Final = 5.0
_ROOT: Final = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Restart:
    """One return of a program: why it was away, and for how long."""

    program: str
    why: str
    seconds: float


class Program(ABC):
    """One program with a thread that starts it again whenever it has ended, as a service manager would.

    Nothing is done to what it may have left behind: a program must be able to start beside its own remains.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.restarts: list[Restart] = []
        self.unasked: list[str] = []
        """Ends that nobody here brought about."""
        self._process: Process | None = None
        self._away_since: float | None = None
        self._hits = 0
        self._why = "started"
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep, name=f"keep {name}", daemon=True)

    @abstractmethod
    def launch(self) -> Process:
        """Start it; it need not be ready when this returns."""

    @abstractmethod
    def works(self) -> bool:
        """Whether it does what it is for; asked after every kill until it does."""

    @property
    def up(self) -> bool:
        """Whether it works, as far as is known."""
        return self._away_since is None

    @property
    def process(self) -> Process:
        """What runs now."""
        assert self._process is not None  # it was started
        return self._process

    def start(self) -> None:
        """Start it, and keep it running from now on."""
        with self._lock:
            self._away_since = time.monotonic()
            self._process = self.launch()
        self._thread.start()

    def hit(self, why: str, pids: Sequence[int]) -> None:
        """End by kill -9; from now on it is away until it works again."""
        with self._lock:
            self._hits += 1
            self.miss(why)
            victims = [Process.of(pid) for pid in pids]
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            # On a busy machine a process lives on for a moment, and might be taken for one that is back.
            wait_until(lambda: not any(victim.alive for victim in victims), _DEATH_S)

    def miss(self, why: str) -> None:
        """Expect it to be away: something was done to it."""
        with self._lock:
            if self._away_since is None:
                self._away_since, self._why = time.monotonic(), why

    def stop(self) -> None:
        """End it for good, with everything that it started."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()
        if self._process is not None:
            for pid in [*descendants(self._process.pid), self._process.pid]:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def _keep(self) -> None:
        while not self._stop.wait(_POLL_S):
            with self._lock:
                hits, gone = self._hits, not self.process.alive
                if gone and self._away_since is None:
                    self.unasked.append(self.name)
                    self.miss("unasked")
            if gone:
                self._process = self.launch()
                self._stop.wait(_BETWEEN_STARTS_S)
            elif self._away_since is not None and self.works():
                self._note_return(hits)

    def _note_return(self, hits: int) -> None:
        """It works, unless it was hit again while it was asked."""
        with self._lock:
            if self._away_since is not None and self._hits == hits and self.process.alive:
                seconds = time.monotonic() - self._away_since
                self.restarts.append(Restart(self.name, self._why, round(seconds, 2)))
                self._away_since = None


def python(module: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> Process:
    """Start a module of this checkout as a process of its own."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OTA_")}
    with log.open("ab") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=_ROOT,
            env={**clean, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    child.returncode = 0  # let go of it without a warning: the record names the process from now on
    return Process.of(child.pid)


def children(pid: int) -> list[int]:
    """The processes that this one has started and that still are its children."""
    return sorted(int(stat.parent.name) for stat in Path("/proc").glob("[0-9]*/stat") if _parent(stat) == pid)


def _parent(stat: Path) -> int | None:
    try:
        text = stat.read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    return int(text.rpartition(")")[2].split()[1])  # the name before may hold spaces


def descendants(pid: int) -> Iterator[int]:
    """Children, their children, and so on, the farthest first."""
    for child in children(pid):
        yield from descendants(child)
        yield child


def command_of(pid: int) -> str:
    """The command line of a process; empty when it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
