"""One kept-alive HTTP connection to the platform."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Protocol, Self
from urllib.parse import urlsplit

PATIENCE_S: Final = 30.0
_LONGEST_ANSWER: Final = 4 * 1024 * 1024


class Unreachable(Exception):
    """No answer came: the request may have been carried out or not."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer; header names in lower case."""

    status: int
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


class Connection(Protocol):
    """Sends one request and waits for its answer."""

    def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
        """The answer, whatever its status; raises Unreachable."""
        ...


class HttpConnection:
    """A connection that is opened when needed and kept; a dead one is opened anew for the next request."""

    def __init__(self, url: str, patience_s: float = PATIENCE_S) -> None:
        self._scheme, self._host, self._port, self._prefix = parse_url(url)
        self._patience_s = patience_s
        self._open: http.client.HTTPConnection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
        """Send a request; one that a server closed between two requests is told from one that failed."""
        kept = self._open is not None
        try:
            return self._send(method, path, headers, body)
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError) as error:
            self.close()
            if not kept:
                raise Unreachable(f"{self._host}:{self._port} closed the connection") from error
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Unreachable(f"{self._host}:{self._port}: {error}") from error
        # An idle connection was closed under us. Every request of the sandbox may be sent twice:
        # it carries an idempotency key or a sequence number, or changes nothing.
        return self.send(method, path, headers, body)

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._open is not None:
            with suppress(OSError):
                self._open.close()
            self._open = None

    def _send(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
        if self._open is None:
            kind = http.client.HTTPSConnection if self._scheme == "https" else http.client.HTTPConnection
            self._open = kind(self._host, self._port, timeout=self._patience_s)
        self._open.request(method, self._prefix + path, body=body, headers=dict(headers))
        answer = self._open.getresponse()
        content = answer.read(_LONGEST_ANSWER)
        if answer.length:  # a read of so many bytes says nothing when the connection ended before them
            raise http.client.IncompleteRead(content, answer.length)
        return Reply(answer.status, content, {name.lower(): value for name, value in answer.getheaders()})


def parse_url(url: str) -> tuple[str, str, int, str]:
    """Scheme, host, port and path prefix; raises ValueError saying what was expected."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url!r}: expected http://HOST:PORT or https://HOST")
    return (
        parts.scheme,
        parts.hostname,
        port or (443 if parts.scheme == "https" else 80),
        parts.path.rstrip("/"),
    )
