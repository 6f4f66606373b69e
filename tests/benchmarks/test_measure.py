"""Figures are ratios against a baseline of the same run."""

from __future__ import annotations

import json
import time
from itertools import pairwise

import pytest

from benchmarks import __main__ as command_line
from benchmarks.measure import Case, compare, percentile, summarise


@pytest.mark.parametrize(
    ("percent", "expected"), [(0, 1.0), (50, 2.0), (75, 3.0), (76, 4.0), (99, 4.0), (100, 4.0)]
)
def test_a_percentile_is_a_sample(percent: float, expected: float) -> None:
    assert percentile([4.0, 1.0, 3.0, 2.0], percent) == expected


def test_ratios_are_against_the_first() -> None:
    base, slow = summarise("x", {"base": [0.001, 0.002, 0.003], "slow": [0.004, 0.004, 0.010]}).figures

    assert (base.p50_ms, base.p99_ms, base.per_second, base.ratio) == (2.0, 3.0, 500.0, 1.0)
    assert (slow.p50_ms, slow.p99_ms, slow.ratio) == (4.0, 10.0, 2.0)


def test_cases_are_measured_in_turns_and_per_unit() -> None:
    turns: list[str] = []

    def work(name: str) -> None:
        turns.append(name)
        time.sleep(0.01)

    comparison = compare(
        "x", Case("a", lambda: work("a")), Case("b", lambda: work("b"), units=10), seconds=0.1
    )

    changes = sum(first != second for first, second in pairwise(turns[2:]))
    assert changes == 3
    assert [figures.name for figures in comparison.figures] == ["a", "b"]
    assert comparison.figures[1].p50_ms < comparison.figures[0].p50_ms


def test_every_benchmark_runs(capsys: pytest.CaptureFixture[str]) -> None:
    code = command_line.main(["--json", "--seconds", "0.01"])

    comparisons = json.loads(capsys.readouterr().out)["comparisons"]
    assert code == 0
    assert all(comparison["figures"][0]["ratio"] == 1 for comparison in comparisons)


def test_a_person_gets_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    command_line.main(["--seconds", "0.01", "card"])

    assert "times baseline" in capsys.readouterr().out
