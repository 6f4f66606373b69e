"""Measure calls side by side: alternating rounds, so that a busy moment of the machine hits all alike."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

ROUND_S = 0.05


@dataclass(frozen=True, slots=True)
class Case:
    """Something to measure; one call may do several units of work."""

    name: str
    call: Callable[[], object]
    units: int = 1


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured of one case. Times are of one unit."""

    name: str
    samples: int
    p50_ms: float
    p99_ms: float
    per_second: float
    ratio: float  # time at the median as a multiple of the baseline's; 1 for the baseline itself


@dataclass(frozen=True, slots=True)
class Comparison:
    """Figures of a baseline, which comes first, and of the cases measured against it."""

    title: str
    figures: tuple[Figures, ...]


def compare(title: str, baseline: Case, *cases: Case, seconds: float = 1.0) -> Comparison:
    """Measure each case for about the given time, in turns with the baseline."""
    everything = (baseline, *cases)
    samples: dict[str, list[float]] = {case.name: [] for case in everything}
    for case in everything:
        case.call()  # whatever the first call sets up is not measured
    for _ in range(max(1, round(seconds / ROUND_S))):
        for case in everything:
            samples[case.name] += _round(case)
    return summarise(title, samples)


def summarise(title: str, samples_s: Mapping[str, Sequence[float]]) -> Comparison:
    """Turn times in seconds into figures; the first name is the baseline."""
    baseline_s = percentile(next(iter(samples_s.values())), 50)
    return Comparison(title, tuple(_figures(name, times, baseline_s) for name, times in samples_s.items()))


def percentile(samples: Sequence[float], percent: float) -> float:
    """Nearest rank: the smallest sample that is not below the given share of all."""
    rank = math.ceil(len(samples) * percent / 100)
    return sorted(samples)[max(rank, 1) - 1]


def _round(case: Case) -> list[float]:
    times = []
    deadline = time.perf_counter() + ROUND_S
    before = time.perf_counter()
    while before < deadline:
        case.call()
        after = time.perf_counter()
        times.append((after - before) / case.units)
        before = after
    return times


def _figures(name: str, times: Sequence[float], baseline_s: float) -> Figures:
    p50, p99 = percentile(times, 50), percentile(times, 99)
    return Figures(name, len(times), p50 * 1000, p99 * 1000, len(times) / sum(times), p50 / baseline_s)
