"""``ota serve``: the HTTP server, with everything it needs prepared."""

from __future__ import annotations

import logging
import multiprocessing
import os
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click
from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import Server

from ota import wiring
from ota.cli.address import announce_when_ready, choose_port, url_of
from ota.cli.installation import installation_options, load_settings, told_plainly
from ota.cli.preparation import prepare
from ota.core.clock import SystemClock
from ota.settings import Server as ServerSettings
from ota.settings import Settings
from ota.web.logs import configure_logging

_OTHERS_WAITING = 64

_QUIET = {
    # granian writes to standard output unless told; that is for the one line that says where we listen
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"stderr": {"class": "logging.StreamHandler", "stream": "ext://sys.stderr"}},
    "loggers": {"_granian": {"handlers": ["stderr"], "level": "WARNING", "propagate": False}},
}


@click.command(short_help="Serve the API.")
@click.option("--host", help="Address to listen on. [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port; 0 chooses a free one. [default: 8080]")
@click.option("--workers", type=click.IntRange(1, 64), help="Server processes. [default: 1]")
@installation_options
@told_plainly
def serve(host: str | None, port: int | None, workers: int | None, **installation: Any) -> None:
    """Serve the API; prints one line with its address when it is ready.

    Without further settings: SQLite and a software HSM in the data folder, test keys and test callers.
    Ctrl-C or SIGTERM ends it after the running requests.
    """
    settings = load_settings(**installation, server__host=host, server__port=port, server__workers=workers)
    configure_logging(settings.log.level)
    prepare(settings, SystemClock().now())
    # Whatever cannot be built is told here, once, and not by each process.
    wiring.open_scraping(settings)
    wiring.build(settings).store.close()
    with ExitStack() as stack:
        _run(settings, choose_port(settings.server.host, settings.server.port), stack)


def _run(settings: Settings, port: int, stack: ExitStack) -> None:
    if settings.server.workers > 1:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="ota-metrics-"))
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
    _hand_down(settings)
    # A fresh interpreter per process: nothing of this one's connections and threads is copied by a fork.
    multiprocessing.set_start_method("spawn", force=True)
    server = _server(settings, port)
    logging.getLogger("_granian").addFilter(_tells_more_than_many_threads)
    announce_when_ready(url_of(settings.server, port))
    server.serve()


def _hand_down(settings: Settings) -> None:
    """The processes read their settings again: what the command line said reaches them as variables."""
    os.environ |= {
        "OTA_CONFIG": str(settings.config),
        "OTA_DATA": str(settings.data.absolute()),
        "OTA_ENVIRONMENT": settings.environment,
    }


def _server(settings: Settings, port: int) -> Any:
    server = settings.server
    return Server(
        "ota.app:application",
        factory=True,
        interface=Interfaces.WSGI,
        address=server.host,
        port=port,
        workers=server.workers,
        blocking_threads=_threads(server),
        websockets=False,
        backlog=1024,
        # How many requests may be in a process; beyond it, new connections wait in the kernel's queue.
        backpressure=_threads(server),
        http1_settings=HTTP1Settings(header_read_timeout=10_000, max_buffer_size=128 * 1024),
        log_level=LogLevels.warning,
        log_dictconfig=_QUIET,
        ssl_cert=Path(server.tls_certificate) if server.tls_certificate else None,
        ssl_key=Path(server.tls_key) if server.tls_key else None,
        respawn_failed_workers=True,
        workers_kill_timeout=server.stop_patience_s,
    )


def _tells_more_than_many_threads(record: logging.LogRecord) -> bool:
    """Whether granian says more than that there are many threads: they are there to wait in."""
    return "Python threads" not in record.getMessage()


def _threads(server: ServerSettings) -> int:
    """Enough to wait in: the gate of `ota.web.admission` decides who works, so that nobody waits where it cannot see.

    Who waits for a body does so beside them all: bodies that never come keep none of the other threads.
    """
    return server.threads + server.waiting_orders + _OTHERS_WAITING + server.waiting_bodies
