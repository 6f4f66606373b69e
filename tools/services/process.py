"""Start a server as a process of its own, find it again by its record, and stop it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.services.errors import ServiceProblem

POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class Process:
    """A process named by its id and its start time, so that a recycled id is never mistaken for it."""

    pid: int
    started: int  # clock ticks after boot

    @classmethod
    def of(cls, pid: int) -> Process:
        """Name a running process; one that has ended already gets a start time that matches none."""
        return cls(pid, _start_time(pid) or -1)

    @property
    def alive(self) -> bool:
        """Tell whether this very process still runs."""
        _reap(self.pid)
        return _start_time(self.pid) == self.started

    def stop(self, sign: signal.Signals, patience_s: float = 10.0) -> None:
        """Ask with the given signal, wait, and end what does not listen."""
        for attempt in (sign, signal.SIGKILL):
            if not self.alive:
                return
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, attempt)
            if wait_until(lambda: not self.alive, patience_s):
                return
        raise ServiceProblem(f"Process {self.pid} does not end.")


@dataclass(frozen=True, slots=True)
class Account:
    """The user id and group id that a server runs under."""

    uid: int
    gid: int

    @property
    def is_current(self) -> bool:
        """Tell whether this process runs under the same ids."""
        return (self.uid, self.gid) == (os.geteuid(), os.getegid())


def spawn(command: Sequence[str], *, log: Path, account: Account) -> Process:
    """Start a server in a session of its own, its output in the log file."""
    with log.open("ab") as output:
        child = subprocess.Popen(command, stdout=output, stderr=output, **_settings(account))
    child.returncode = 0  # let go of it without a warning: the record names the process from now on
    return Process.of(child.pid)


def run(command: Sequence[str], *, account: Account) -> None:
    """Run a program to its end."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **_settings(account))
    if done.returncode:
        raise ServiceProblem(f"{Path(command[0]).name} failed: {done.stderr.strip() or done.stdout.strip()}")


def wait_until(condition: Callable[[], bool], patience_s: float) -> bool:
    """Poll until the condition holds; False when patience runs out."""
    deadline = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def _settings(account: Account) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "cwd": "/",
        "stdin": subprocess.DEVNULL,
        "start_new_session": True,
        "umask": 0o077,
        "env": {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"},
    }
    if not account.is_current:
        settings |= {"user": account.uid, "group": account.gid, "extra_groups": []}
    return settings


def _start_time(pid: int) -> int | None:
    """Read when a process began, in clock ticks after boot; None for one that has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # the name before may hold spaces
    return None if fields[0] in "ZX" else int(fields[19])


def _reap(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
