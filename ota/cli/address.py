"""Where the server listens: a free port, and the line that says it is ready."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from urllib.parse import urlsplit

import click

from ota.settings import SettingsError
from ota.settings.sections import Server

_PATIENCE_S = 60.0
_POLL_S = 0.05


def choose_port(host: str, port: int) -> int:
    """The port to listen on; 0 finds a free one. Raises SettingsError when the wanted one is taken.

    The server itself would share a taken port with its owner (SO_REUSEPORT) and answer every other request.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise SettingsError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
        return int(probe.getsockname()[1])


def url_of(server: Server, port: int) -> str:
    """The address for people and programs; one that listens everywhere is reached at the loopback."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(server.host, server.host)  # noqa: S104  compared, not bound
    scheme = "https" if server.tls_certificate else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def announce_when_ready(url: str) -> None:
    """Print the address on standard output as soon as a process answers there; returns at once."""
    threading.Thread(target=_announce, args=(url,), daemon=True, name="announce").start()


def _announce(url: str) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        if answers(url):
            click.echo(f"OTA serves at {url}")
            return
        time.sleep(_POLL_S)


def answers(url: str) -> bool:
    """Whether a process answers /healthz there."""
    parts = urlsplit(url)
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        # Its own certificate may be of a private authority; nothing secret is sent.
        context = ssl._create_unverified_context()  # noqa: S323, SLF001
        connection = http.client.HTTPSConnection(parts.netloc, timeout=2, context=context)
    else:
        connection = http.client.HTTPConnection(parts.netloc, timeout=2)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
