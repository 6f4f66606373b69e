"""What a campaign says of its progress, on a terminal and in a log."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from ota.sandbox.simulation import telling
from ota.sandbox.simulation.campaign import Campaign, Total

Tell = Callable[[Any], None]


@pytest.fixture(autouse=True)
def _no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)


def ran(seeds: int, *broken: int) -> Callable[[Campaign, int, Tell], Total]:
    """A campaign in which each seed meets two faults, and some break a promise."""

    def simulate(_campaign: Campaign, _jobs: int, tell: Tell) -> Total:
        for seed in range(seeds):
            scenario = SimpleNamespace(seed=seed)
            tell(SimpleNamespace(ok=seed not in broken, struck=("a", "b"), scenario=scenario))
        return Total()

    return simulate


def lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], seeds: int, *broken: int
) -> list[str]:
    monkeypatch.setattr(telling, "simulate", ran(seeds, *broken))
    telling.run_with_progress(Campaign(seeds, 1), 1)
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err.splitlines()


def test_a_log_shows_how_far_a_campaign_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = lines(monkeypatch, capsys, 25)

    assert told == [
        "seeds done: 10 of 25, faults: 20, failures: 0",
        "seeds done: 20 of 25, faults: 40, failures: 0",
        "seeds done: 25 of 25, faults: 50, failures: 0",
    ]


def test_a_failure_is_told_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = lines(monkeypatch, capsys, 10, 3)

    assert told == [
        "seeds done: 4 of 10, faults: 8, failures: 1; seed 3 breaks a promise",
        "seeds done: 10 of 10, faults: 20, failures: 1",
    ]


@pytest.mark.parametrize(("seeds", "count"), [(1, 1), (9, 1), (200, 20), (1000, 20), (5000, 50)])
def test_the_lines_are_few_and_never_far_apart(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], seeds: int, count: int
) -> None:
    assert len(lines(monkeypatch, capsys, seeds)) == count


def test_a_terminal_shows_a_bar_instead(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")

    told = lines(monkeypatch, capsys, 25, 3)

    assert not any(line.startswith("seeds done") for line in told)
    assert told
