"""The simulated city host behind HTTP, for a platform in another process."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from ota.sandbox.city_host import CityHost, HostDown, HostSilent
from ota.sandbox.city_host_messages import Post

_TOO_LATE_S: Final = 6.0
"""Longer than a platform may wait (5 s)."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    host: CityHost


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        """Hand one message to the host."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            said = self.server.host.serve(Post(self.path, body, headers))
        except HostDown:
            return  # the connection is closed without a word
        except HostSilent:
            time.sleep(_TOO_LATE_S)
            return
        self.send_response_only(said.status)
        for name, value in {**said.headers, "content-length": str(len(said.body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(said.body)

    def log_message(self, *_: object) -> None:  # empty: the base class would print to standard error
        """Say nothing: a message holds card numbers."""


@contextmanager
def listening(host: CityHost, port: int = 0) -> Iterator[str]:
    """Serve a host on this machine; gives its address."""
    server = _Server(("127.0.0.1", port), _Handler)
    server.host = host
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
