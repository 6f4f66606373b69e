"""The wallet's own server: gives money back when the platform asks, once per key, and sometimes loses its answer."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Any, Final

import jwt

from chaos.truth import Truth
from ota.sandbox import credentials
from ota.sandbox.caller import AUDIENCE

_ECHOED: Final = ("refund_key", "channel", "trade_no", "amount_fen", "currency")
_SILENT_SHARE: Final = 0.15


@dataclass
class WalletDesk:
    """Pays each key once and remembers it; takes every event."""

    truth: Truth
    luck: Random
    calm: Callable[[], bool]
    """Whether no answer is lost any more."""
    _paid: set[str] = field(default_factory=set)

    def answer(self, path: str, body: bytes) -> tuple[int, bytes] | None:
        """Status and body of the answer; None where it is lost after the work was done."""
        if path == "/events":
            return 204, b""
        asked = jwt.decode(json.loads(body)["refund"], options={"verify_signature": False})
        with self.truth.lock:
            if path == "/refunds" and asked["refund_key"] not in self._paid:
                self._paid.add(asked["refund_key"])
                self.truth.returned_fen[asked["trade_no"]] += asked["amount_fen"]
            state = "done" if asked["refund_key"] in self._paid else "unheard"
            lost = not self.calm() and self.luck.random() < _SILENT_SHARE
        return None if lost else (200, json.dumps({"answer": _signed(asked, state)}).encode())


def _signed(asked: dict[str, Any], state: str) -> str:
    wallet = credentials.wallet()
    echo = {name: asked[name] for name in _ECHOED}
    claims = {"iss": wallet.caller_id, "aud": AUDIENCE, "iat": int(time.time()), "state": state} | echo
    return wallet.sign(claims, type_="refund-answer+jwt")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    desk: WalletDesk


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        """Answer one request, or close the connection without a word."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = self.server.desk.answer(self.path, body)
        if answer is None:
            return
        status, said = answer
        self.send_response_only(status)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_: object) -> None:  # empty: the base class would print to standard error
        """Say nothing."""


@contextmanager
def listening(desk: WalletDesk) -> Iterator[str]:
    """Serve on this machine; gives the address."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.desk = desk
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
