"""One signed request to a city's host over HTTP, within its time limits, and whether it can have been heard at all."""

from __future__ import annotations

import io
import ipaddress
import socket
import ssl
import time
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from ota.hsm_adapter.city_host.signatures import Answer, Request

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MAX_BODY: Final = 64 * 1024


class NothingSent(Exception):
    """There was no connection: the host cannot have heard the request."""


class NoAnswer(Exception):
    """The request may have been heard, and no whole answer came in time. The kind of failure only, no content."""


class InwardAddress(OSError):
    """A name that should be elsewhere leads to this machine or its link."""


class HttpWire:
    """Sends requests to one address. Follows no redirect, keeps no connection, repeats nothing.

    ``connect_s`` bounds TCP and TLS together; ``read_s`` everything from the first byte sent to the last byte read,
    however slowly they come.
    """

    def __init__(
        self,
        url: str,
        *,
        connect_s: float,
        read_s: float,
        context: ssl.SSLContext | None = None,
        inward: bool = True,
    ) -> None:
        """``inward``: whether the name may lead to this machine or its link, where services trust their neighbours."""
        self._url = urlsplit(url)
        self._inward = inward
        self._connect_s = connect_s
        self._read_s = read_s
        self._context = context or (ssl.create_default_context() if self._url.scheme == "https" else None)

    @property
    def path(self) -> str:
        """What every request's path begins with."""
        return self._url.path

    def send(self, request: Request) -> Answer:
        """The answer to a request; raises NothingSent or NoAnswer."""
        connection = self._connected()
        sock = _HurriedSocket(connection.sock, time.monotonic() + self._read_s)
        connection.sock = sock  # what http.client uses of one
        try:
            headers = {**request.headers, "Connection": "close"}
            connection.request(request.method, request.path, request.body, headers)
            return _read(connection.getresponse())
        except (OSError, HTTPException) as error:
            raise NoAnswer(type(error).__name__) from None
        finally:
            connection.close()
            sock.end()

    def _connected(self) -> HTTPConnection:
        host, port = self._url.hostname or "", self._url.port
        connection = (
            HTTPConnection(host, port, timeout=self._connect_s)
            if self._context is None
            else HTTPSConnection(host, port, timeout=self._connect_s, context=self._context)
        )
        try:
            connection.connect()
            self._check_peer(connection.sock)
        except OSError as error:
            connection.close()
            raise NothingSent(type(error).__name__) from None
        return connection

    def _check_peer(self, sock: socket.socket) -> None:
        """The address that was reached, not one looked up before: a name may answer differently the second time."""
        peer = ipaddress.ip_address(sock.getpeername()[0].partition("%")[0])
        mapped = getattr(peer, "ipv4_mapped", None) or peer
        if not self._inward and (mapped.is_loopback or mapped.is_link_local or mapped.is_unspecified):
            raise InwardAddress


def _read(answer: HTTPResponse) -> Answer:
    body = answer.read(MAX_BODY + 1)
    if answer.length or len(body) > MAX_BODY:  # http.client says nothing when the other end stops early
        raise HTTPException("a body that is cut short, or of more than 64 KiB")
    names = {name.lower() for name in answer.headers}
    return Answer(answer.status, body, {name: ", ".join(answer.headers.get_all(name, [])) for name in names})


class _HurriedSocket:
    """A socket for which every wait counts against one deadline; http.client's own limit starts anew at each byte."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self._deadline = deadline

    def sendall(self, data: bytes) -> None:
        self._hurry()
        self._sock.sendall(data)

    def recv_into(self, buffer: WriteableBuffer) -> int:
        self._hurry()
        return self._sock.recv_into(buffer)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_HurriedReader(self))

    def close(self) -> None:  # empty: whoever opened it calls end()
        """Nothing yet: http.client closes a connection that ends with its answer before the body has been read."""

    def end(self) -> None:
        self._sock.close()

    def _hurry(self) -> None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(left)


class _HurriedReader(io.RawIOBase):
    """The reading end of a hurried socket."""

    def __init__(self, sock: _HurriedSocket) -> None:
        super().__init__()
        self._sock = sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        return self._sock.recv_into(buffer)
