"""Is the process alive, can it work, and its figures: /healthz, /readyz, /metrics."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooSlow

import orjson
from flask import Blueprint, Response, current_app

from ota.web import metrics
from ota.web.figures import DOOR as FIGURES
from ota.web.figures import Lookout
from ota.web.policy import public, scraped

_log = logging.getLogger(__name__)

Check = Callable[[], object]
"""Raises, or returns something whose ``ok`` is false, when what it looks at does not work."""

_LIMIT_S = 2.0
_ASIDE_LIMIT_S = 0.2

blueprint = Blueprint("health", __name__)


class Readiness:
    """Runs every check at the same time, each against a limit of its own, so that one hanging part is named."""

    def __init__(
        self,
        checks: Mapping[str, Check],
        asides: Mapping[str, Check] | None = None,
        limit_s: float = _LIMIT_S,
    ) -> None:
        """``asides`` are shown like the others and decide nothing: what this process can work without."""
        self._asides = frozenset(asides or ())
        self._checks = {**checks, **(asides or {})}
        self._limit_s = limit_s
        self._pool = ThreadPoolExecutor(max_workers=max(1, len(self._checks)), thread_name_prefix="readiness")
        self._running: dict[str, Future[object]] = {}

    def look(self) -> dict[str, str]:
        """``ok``, ``slow`` or ``down`` for each part."""
        for name, check in self._checks.items():
            if name not in self._running or self._running[name].done():  # a hanging check is not piled upon
                self._running[name] = self._pool.submit(check)
        return {name: self._outcome(name) for name in self._checks}

    def is_ready(self, parts: Mapping[str, str]) -> bool:
        """Whether everything works that this process cannot work without."""
        return all(state == "ok" for name, state in parts.items() if name not in self._asides)

    def _outcome(self, name: str) -> str:
        limit_s = min(self._limit_s, _ASIDE_LIMIT_S) if name in self._asides else self._limit_s
        try:
            found = self._running[name].result(limit_s)
        except TooSlow:
            return "slow"
        except Exception:  # noqa: BLE001  whatever it is, the part is down and the log says why
            _log.warning("readiness: %s is down", name, exc_info=True)
            return "down"
        return "ok" if getattr(found, "ok", True) else "down"


@blueprint.get("/healthz")
@public
def healthz() -> Response:
    """The process answers; nothing else is asked."""
    return _json({"status": "ok"}, 200)


@blueprint.get("/readyz")
@public
def readyz() -> Response:
    """Whether this process can work now: 200, or 503 naming the part that cannot."""
    readiness: Readiness = current_app.extensions["ota.readiness"]
    parts = readiness.look()
    ready = readiness.is_ready(parts)
    return _json({"status": "ok" if ready else "unavailable", "parts": parts}, 200 if ready else 503)


@blueprint.get("/metrics")
@scraped
def show_metrics() -> Response:
    """Figures for Prometheus, to whom `server.metrics` says."""
    lookout: Lookout = current_app.extensions[FIGURES]
    return metrics.render(lookout.find())


def _json(body: object, status: int) -> Response:
    return Response(
        orjson.dumps(body), status, mimetype="application/json", headers={"Cache-Control": "no-store"}
    )
