"""A connection that answers from a list, for tests of those who talk to the platform."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ota.sandbox.connection import Reply, Unreachable

Planned = tuple[int, Any] | None
"""Status and body of an answer; None loses it."""


class ScriptedConnection:
    """Gives the next of its answers to each request; remembers requests."""

    def __init__(self, *answers: Planned) -> None:
        self._answers = list(answers)
        self.requests: list[tuple[str, str, Mapping[str, str], bytes | None]] = []

    def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
        self.requests.append((method, path, headers, body))
        answer = self._answers.pop(0)
        if answer is None:
            raise Unreachable("lost")
        status, content = answer
        return Reply(status, content if isinstance(content, bytes) else json.dumps(content).encode())
