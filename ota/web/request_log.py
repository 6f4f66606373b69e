"""A name for every request, and one line in the access log that holds no secret."""

from __future__ import annotations

import logging
import re
import time
from typing import TYPE_CHECKING

from flask import g, request

from ota.core.ids import new_id

if TYPE_CHECKING:
    from flask import Flask, Response

HEADER = "X-Request-Id"
_log = logging.getLogger("ota.access")
_ACCEPTABLE = re.compile(r"[A-Za-z0-9_.-]{8,64}", re.ASCII)


def name_requests(app: Flask) -> None:
    """Give each request an id (a proxy's own, if it is a decent one), send it back and log the outcome."""
    app.before_request(_begin)
    app.after_request(_end)


def route_template() -> str:
    """The route as it is declared, never the path: a path may hold a card number."""
    return "-" if request.url_rule is None else request.url_rule.rule


def _begin() -> None:
    offered = request.headers.get(HEADER, "")
    g.request_id = offered if _ACCEPTABLE.fullmatch(offered) else new_id("req")
    g.began = time.perf_counter()


def _end(answer: Response) -> Response:
    answer.headers[HEADER] = g.request_id
    answer.headers["X-Content-Type-Options"] = "nosniff"
    principal = g.get("principal")
    _log.info(
        "%s %s %s %.1fms caller=%s request=%s",
        request.method if request.method.isalpha() else "?",
        route_template(),
        answer.status_code,
        (time.perf_counter() - g.began) * 1000,
        "-" if principal is None else principal.id,
        g.request_id,
    )
    return answer
