"""Figures for Prometheus, on a registry of our own.

With several server processes set PROMETHEUS_MULTIPROC_DIR to an empty folder before the first of them starts
(``ota serve`` does): each process then keeps its figures in a file there and /metrics adds them up. What stands in the
database is not kept there but asked for (`ota.web.figures`).
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from flask import Response, g, request
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

from ota.web.figures import Figures, text_of
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
turned_away_total = Counter(
    "ota_requests_turned_away", "Requests refused because there were too many.", ["lane"], registry=registry
)
job_runs_total = Counter("ota_job_runs", "Jobs run.", ["job", "outcome"], registry=registry)

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


def render(figures: Figures | None) -> Response:
    """The text format that Prometheus scrapes: what this installation's processes counted, and what the database tells."""
    source = registry
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        source = CollectorRegistry()
        MultiProcessCollector(source)  # type: ignore[no-untyped-call]
    return Response(generate_latest(source) + text_of(figures), content_type=CONTENT_TYPE_LATEST)


def _count(answer: Response) -> Response:
    method = request.method if request.method in _METHODS else "other"  # a stranger must not invent series
    route = route_template()
    requests_total.labels(method, route, str(answer.status_code)).inc()
    request_seconds.labels(method, route).observe(time.perf_counter() - g.began)
    return answer
