"""A program that is killed comes back, and whoever killed it learns after how long."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos.program import Program, children, command_of, descendants, python
from tools.services.process import Process, wait_until


class Sleeper(Program):
    """Works as soon as its file is there."""

    def __init__(self, folder: Path) -> None:
        super().__init__("sleeper")
        self.folder = folder
        self.launched: list[int] = []

    def launch(self) -> Process:
        process = python("http.server", ["--bind", "127.0.0.1", "0"], {}, self.folder / "log")
        self.launched.append(process.pid)
        return process

    def works(self) -> bool:
        return (self.folder / "works").exists()


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[Sleeper]:
    (tmp_path / "works").touch()
    program = Sleeper(tmp_path)
    program.start()
    assert wait_until(lambda: program.up, 20)
    program.restarts.clear()
    yield program
    program.stop()


def test_what_is_killed_is_started_again_and_timed(sleeper: Sleeper) -> None:
    sleeper.hit("for a test", [sleeper.process.pid])

    assert wait_until(lambda: sleeper.up, 20)
    (restart,) = sleeper.restarts
    assert (restart.program, restart.why) == ("sleeper", "for a test")
    assert restart.seconds < 20
    assert len(sleeper.launched) == 2
    assert sleeper.unasked == []


def test_it_is_away_until_it_works(sleeper: Sleeper) -> None:
    (sleeper.folder / "works").unlink()
    sleeper.hit("for a test", [sleeper.process.pid])

    came_back_too_early = wait_until(lambda: sleeper.up, 0.5)
    (sleeper.folder / "works").touch()
    came_back = wait_until(lambda: sleeper.up, 20)

    assert (came_back_too_early, came_back) == (False, True)
    assert sleeper.restarts[0].seconds >= 0.5


def test_a_second_blow_while_it_is_asked_whether_it_works_counts(
    sleeper: Sleeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def works() -> bool:
        asked.append(sleeper.process.pid)
        if len(asked) == 1:  # as if it had said yes in the moment before
            sleeper.hit("again", [sleeper.process.pid])
        return True

    monkeypatch.setattr(sleeper, "works", works)
    sleeper.hit("for a test", [sleeper.process.pid])

    assert wait_until(lambda: sleeper.up, 20)
    assert [restart.why for restart in sleeper.restarts] == ["for a test"]
    assert sleeper.unasked == []
    assert asked[0] != asked[-1]


def test_an_end_that_nobody_asked_for_is_noted(sleeper: Sleeper) -> None:
    os.kill(sleeper.process.pid, signal.SIGTERM)

    assert wait_until(lambda: len(sleeper.launched) == 2, 20)
    assert sleeper.unasked == ["sleeper"]


def test_a_stop_leaves_nothing_behind(sleeper: Sleeper) -> None:
    process = sleeper.process

    sleeper.stop()

    assert wait_until(lambda: not process.alive, 10)


def test_children_are_found_with_their_commands() -> None:
    process = python("tests.chaos.parent", [], {}, Path(os.devnull))

    found = wait_until(lambda: len(children(process.pid)) == 1, 20)
    (child,) = children(process.pid)
    command = command_of(child)
    family = list(descendants(process.pid))
    for pid in (*family, process.pid):
        os.kill(pid, signal.SIGKILL)

    assert found
    assert family == [child]
    assert command.startswith(sys.executable)
    assert command_of(2**22 - 1) == ""
