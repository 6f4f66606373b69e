"""Figures for Prometheus, on a registry of our own.

With several server processes set PROMETHEUS_MULTIPROC_DIR to an empty folder before the first of them starts
(``ota serve`` does): each process then keeps its figures in a file there and /metrics adds them up.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from flask import Response, g, request
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

from ota.web.request_log import route_template

if TYPE_CHECKING:
    from flask import Flask

registry = CollectorRegistry()

requests_total = Counter(
    "ota_http_requests", "Requests answered.", ["method", "route", "status"], registry=registry
)
request_seconds = Histogram(
    "ota_http_request_seconds",
    "Time from the first byte read to the answer, without the network.",
    ["method", "route"],
    registry=registry,
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 1.5, 5),
)
jobs_waiting = Gauge(
    "ota_jobs_waiting",
    "Jobs in the outbox that are not dead.",
    registry=registry,
    multiprocess_mode="mostrecent",
)
jobs_dead = Gauge(
    "ota_jobs_dead",
    "Jobs that were given up on: a person must look.",
    registry=registry,
    multiprocess_mode="mostrecent",
)
jobs_oldest_due_seconds = Gauge(
    "ota_jobs_oldest_due_seconds",
    "How long the oldest due job has waited.",
    registry=registry,
    multiprocess_mode="mostrecent",
)
suspense_fen = Gauge(
    "ota_suspense_fen",
    "Captured money whose place is not final, in fen.",
    ["city", "reason"],
    registry=registry,
    multiprocess_mode="mostrecent",
)
suspense_oldest_seconds = Gauge(
    "ota_suspense_oldest_seconds",
    "How long the oldest of it has waited.",
    ["city", "reason"],
    registry=registry,
    multiprocess_mode="mostrecent",
)
turned_away_total = Counter(
    "ota_requests_turned_away", "Requests refused because there were too many.", ["lane"], registry=registry
)
events_waiting = Gauge(
    "ota_events_waiting",
    "Events that wallets' servers have not acknowledged.",
    registry=registry,
    multiprocess_mode="mostrecent",
)
events_given_up = Gauge(
    "ota_events_given_up",
    "Events that wallets' servers did not take in time: `ota webhooks` sends them again.",
    registry=registry,
    multiprocess_mode="mostrecent",
)
events_oldest_seconds = Gauge(
    "ota_events_oldest_seconds",
    "How long the oldest of the waiting events has waited.",
    registry=registry,
    multiprocess_mode="mostrecent",
)
job_runs_total = Counter("ota_job_runs", "Jobs run.", ["job", "outcome"], registry=registry)

_suspense_seen: set[tuple[str, str]] = set()  # a gauge of several processes cannot be cleared
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def count_requests(app: Flask) -> None:
    """Count and time every request of this application."""
    app.after_request(_count)


def count_job(job: str, outcome: str) -> None:
    """Count one run of a job: done, failed or dead."""
    job_runs_total.labels(job, outcome).inc()


def count_turned_away(lane: str) -> None:
    """Count one request that found no room."""
    turned_away_total.labels(lane).inc()


def show_backlog(waiting: int, dead: int, oldest_due_s: float) -> None:
    """Publish what the outbox holds."""
    jobs_waiting.set(waiting)
    jobs_dead.set(dead)
    jobs_oldest_due_seconds.set(oldest_due_s)


def show_suspense(totals: Mapping[tuple[str, str], tuple[int, float]]) -> None:
    """Publish what waits, by city and reason: fen, and the age of the oldest; what no longer waits goes to zero."""
    _suspense_seen.update(totals)
    for city, reason in _suspense_seen:
        amount, oldest_s = totals.get((city, reason), (0, 0.0))
        suspense_fen.labels(city, reason).set(amount)
        suspense_oldest_seconds.labels(city, reason).set(oldest_s)


def show_deliveries(waiting: int, given_up: int, oldest_s: float) -> None:
    """Publish how events come on to wallets' servers."""
    events_waiting.set(waiting)
    events_given_up.set(given_up)
    events_oldest_seconds.set(oldest_s)


def render() -> Response:
    """The text format that Prometheus scrapes."""
    source = registry
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        source = CollectorRegistry()
        MultiProcessCollector(source)  # type: ignore[no-untyped-call]
    return Response(generate_latest(source), content_type=CONTENT_TYPE_LATEST)


def _count(answer: Response) -> Response:
    method = request.method if request.method in _METHODS else "other"  # a stranger must not invent series
    route = route_template()
    requests_total.labels(method, route, str(answer.status_code)).inc()
    request_seconds.labels(method, route).observe(time.perf_counter() - g.began)
    return answer
