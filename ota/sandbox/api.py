"""The platform's API as its callers see it: JSON, problems as errors, patience where a repetition is harmless."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from ota.sandbox.connection import Connection, Reply, Unreachable

PAUSES_S: Final = (0.2, 0.5, 1.0, 2.0)
"""Waits before a request is repeated."""

Json = dict[str, Any]


class Refused(Exception):
    """The platform answered with a problem (RFC 9457)."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status = status
        self.problem = dict(problem)
        self.code = str(problem.get("code", f"http_{status}"))
        super().__init__(
            f"{status} {self.code}: {problem.get('detail') or problem.get('title') or ''}".strip(": ")
        )

    @property
    def repeatable(self) -> bool:
        """Whether the same request may work a moment later."""
        return bool(self.problem.get("retryable")) or self.status in (429, 502, 503, 504)


class Api:
    """Speaks JSON over a connection."""

    def __init__(self, connection: Connection, pause: Callable[[float], None] = time.sleep) -> None:
        self._connection = connection
        self._pause = pause

    def get(self, path: str, token: str) -> Json:
        """Read something; raises Refused, Unreachable."""
        return self._patient("GET", path, {"Authorization": f"Bearer {token}"}, None)

    def post(self, path: str, token: str, body: Mapping[str, Any], key: str | None = None) -> Json:
        """Send a body, the same bytes again when no answer came; raises Refused, Unreachable."""
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        if key is not None:
            headers["Idempotency-Key"] = key
        return self._patient("POST", path, headers, json.dumps(body, ensure_ascii=False).encode())

    def post_form(self, path: str, form: str) -> Json:
        """Send a form once: an assertion may not be used twice. Raises Refused, Unreachable."""
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return _read(self._once("POST", path, headers, form.encode()))

    def get_public(self, path: str) -> Json:
        """Read something that needs no token."""
        return _read(self._once("GET", path, {}, None))

    def _patient(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> Json:
        for pause in PAUSES_S:
            try:
                return _read(self._once(method, path, headers, body))
            except Unreachable:
                self._pause(pause)
            except Refused as refusal:
                if not refusal.repeatable:
                    raise
                self._pause(pause)
        return _read(self._once(method, path, headers, body))

    def _once(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
        return self._connection.send(method, path, {"Accept": "application/json", **headers}, body)


def _read(reply: Reply) -> Json:
    try:
        content = json.loads(reply.body)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        content = {"code": "not_json", "title": "the answer is no JSON object"}
        raise Refused(reply.status, content)
    if reply.status >= 400:
        raise Refused(reply.status, content)
    return content
