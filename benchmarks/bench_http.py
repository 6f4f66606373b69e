"""Over HTTP on the real server: the platform's requests against a bare Flask endpoint, each with one client.

Both run in a process of their own under the same server; the client is this process, one connection each.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.bench_exchanges import BODY
from benchmarks.installation import new_phone
from benchmarks.measure import Case, Comparison, compare
from ota.cli.address import choose_port
from ota.sandbox import credentials
from ota.sandbox.api import Api
from ota.sandbox.caller import Caller
from ota.sandbox.connection import HttpConnection, Unreachable
from ota.sandbox.wallet import WalletServer

HOST = "127.0.0.1"
JSON = {"Content-Type": "application/json"}
START_PATIENCE_S = 30


def bench(seconds: float) -> Iterator[Comparison]:
    """Load a card again and again, repeat a lost report, and look at an order."""
    with ExitStack() as stack:
        bare = stack.enter_context(closing(HttpConnection(stack.enter_context(_bare_server()))))
        api = Api(stack.enter_context(closing(HttpConnection(stack.enter_context(_platform())))))
        wallet = WalletServer(Caller(api, credentials.wallet(), "urn:ota:development"))
        phone = new_phone(api, wallet)
        order = phone.get_card("guangzhou")
        order_id = order.order_id

        yield compare(
            "Requests over HTTP, one client",
            Case("bare Flask", lambda: bare.send("POST", "/results", JSON, BODY)),
            Case("look at an order", lambda: wallet.order(order_id)),
            Case("one of a top-up's three", lambda: phone.top_up(100), units=3),
            seconds=seconds,
        )


@contextmanager
def _platform() -> Iterator[str]:
    with TemporaryDirectory(prefix="ota-bench-") as folder:
        command = [sys.executable, "-m", "ota.cli", "serve", "--port", "0", "--data", folder]
        with subprocess.Popen(  # noqa: S603  our own interpreter, our own arguments
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as server:
            try:
                line = server.stdout.readline() if server.stdout is not None else ""
                found = re.search(r"http://\S+", line)
                if found is None:
                    raise RuntimeError("`ota serve` did not say where it listens")
                yield found.group()
            finally:
                server.terminate()


@contextmanager
def _bare_server() -> Iterator[str]:
    port = choose_port(HOST, 0)
    granian = str(Path(sys.executable).with_name("granian"))
    command = [granian, "--interface", "wsgi", "--blocking-threads", "4", "--host", HOST, "--port", str(port)]
    with subprocess.Popen(  # noqa: S603  our own interpreter, our own arguments
        [*command, "benchmarks.bare:app"], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    ) as server:
        try:
            _wait_for(f"http://{HOST}:{port}")
            yield f"http://{HOST}:{port}"
        finally:
            server.terminate()


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + START_PATIENCE_S
    while time.monotonic() < deadline:
        try:
            with closing(HttpConnection(url)) as connection:
                connection.send("POST", "/results", JSON, BODY)
        except Unreachable:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("the bare server did not start")
