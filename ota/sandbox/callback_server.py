"""A small HTTP server for JSON that is posted to a wallet; ends with the block that started it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

_LONGEST: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Posted:
    """One message: where it was posted, and the JSON object in it."""

    path: str
    body: dict[str, Any]


class HungUp(Exception):
    """Raised by whoever takes a message to close the connection without an answer."""


@dataclass(frozen=True, slots=True)
class CallbackServer:
    """``take`` gives status and body of the answer to a message."""

    take: Callable[[Posted], tuple[int, bytes]]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    callback: CallbackServer


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        """Hand one message on; what is no JSON object gets 400."""
        length = int(self.headers.get("Content-Length", 0))
        try:
            body = json.loads(self.rfile.read(min(length, _LONGEST)))
            status, said = (
                self.server.callback.take(Posted(self.path, body)) if isinstance(body, dict) else (400, b"")
            )
        except ValueError:
            status, said = 400, b""
        except HungUp:
            return
        self.send_response_only(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_: object) -> None:  # empty: the base class would print to standard error
        """Say nothing: a message is about somebody's money."""


@contextmanager
def listening(callback: CallbackServer, port: int = 0) -> Iterator[str]:
    """Serve on this machine; gives the address, without a slash at its end."""
    server = _Server(("127.0.0.1", port), _Handler)
    server.callback = callback
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
