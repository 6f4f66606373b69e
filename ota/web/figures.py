"""Figures that the database tells, looked up when they are scraped: they are right whoever runs the jobs, and wherever."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

_log = logging.getLogger(__name__)

DOOR: Final = "ota.figures"
"""Where an application keeps its `Lookout`."""

_FRESH_S: Final = 10.0
"""Shorter than most scrapers' pause: many of them cost the database no more than one."""

_LIMIT_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Figures:
    """What waits, as the database had it at one moment. Ages are in seconds."""

    jobs_waiting: int
    jobs_dead: int
    jobs_oldest_due_s: float
    suspense: Mapping[tuple[str, str], tuple[int, float]]
    """By city and reason: the sum in fen, and the age of the oldest."""
    events_waiting: int
    events_given_up: int
    events_oldest_s: float


class Lookout:
    """Looks the figures up, at most once in a while, in one thread: a database that hangs holds no request for long."""

    def __init__(
        self, look: Callable[[], Figures], *, fresh_s: float = _FRESH_S, limit_s: float = _LIMIT_S
    ) -> None:
        self._look = look
        self._fresh_s = fresh_s
        self._limit_s = limit_s
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="figures")
        self._running: Future[Figures] | None = None
        self._found: tuple[float, Figures] | None = None

    def find(self) -> Figures | None:
        """The figures of a few seconds ago at most; None when the database does not tell them in time."""
        with self._lock:
            if self._found is not None and time.monotonic() - self._found[0] < self._fresh_s:
                return self._found[1]
            if self._running is None or self._running.done():  # a look that hangs is not piled upon
                self._running = self._pool.submit(self._look_anew)
            running = self._running
        try:
            return running.result(self._limit_s)
        except Exception as problem:  # noqa: BLE001  whatever it is, the other figures are shown and the log says why
            _log.warning("the database does not tell its figures: %s", type(problem).__name__)
            return None

    def _look_anew(self) -> Figures:
        figures = self._look()
        self._found = time.monotonic(), figures
        return figures


def text_of(figures: Figures | None) -> bytes:
    """The figures as Prometheus reads them. Those that nobody knows are left out: a 0 would say that all is well."""
    registry = CollectorRegistry()
    registry.register(_Shown(figures))
    return generate_latest(registry)


class _Shown(Collector):
    def __init__(self, figures: Figures | None) -> None:
        self._figures = figures

    def collect(self) -> Iterator[GaugeMetricFamily]:
        found = self._figures
        yield GaugeMetricFamily(
            "ota_figures_up",
            "1; 0 when the database does not tell what waits: the gauges of jobs, suspense and events are absent then.",
            value=int(found is not None),
        )
        if found is not None:
            yield from _gauges(found)
            yield from _suspense(found)


def _gauges(found: Figures) -> Iterator[GaugeMetricFamily]:
    for name, told, value in (
        ("ota_jobs_waiting", "Jobs in the outbox that are not dead.", found.jobs_waiting),
        (
            "ota_jobs_dead",
            "Jobs that were given up on: a person must look (`ota jobs list --dead`).",
            found.jobs_dead,
        ),
        ("ota_jobs_oldest_due_seconds", "How long the oldest due job has waited.", found.jobs_oldest_due_s),
        (
            "ota_events_waiting",
            "Events that wallets' servers have not acknowledged.",
            found.events_waiting,
        ),
        (
            "ota_events_given_up",
            "Events that wallets' servers did not take in time: `ota webhooks` sends them again.",
            found.events_given_up,
        ),
        (
            "ota_events_oldest_seconds",
            "How long the oldest of the waiting events has waited.",
            found.events_oldest_s,
        ),
    ):
        yield GaugeMetricFamily(name, told, value=value)


def _suspense(found: Figures) -> Iterator[GaugeMetricFamily]:
    labels = ("city", "reason")
    amounts = GaugeMetricFamily(
        "ota_suspense_fen", "Captured money whose place is not final, in fen.", labels=labels
    )
    ages = GaugeMetricFamily(
        "ota_suspense_oldest_seconds", "How long the oldest of it has waited.", labels=labels
    )
    for (city, reason), (amount_fen, oldest_s) in sorted(found.suspense.items()):
        amounts.add_metric((city, reason), amount_fen)
        ages.add_metric((city, reason), oldest_s)
    yield from (amounts, ages)
