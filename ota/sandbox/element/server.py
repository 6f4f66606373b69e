"""The line protocol: one hex APDU a line in, the response in hex a line out, over TCP.

`RESET` cuts the power and is answered `OK`. A closed connection is a torn card. A line that cannot be read is
answered `ERROR …` and changes nothing.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from contextlib import suppress
from io import BufferedRWPair

from ota.sandbox.element.card_os import Element
from ota.sandbox.element.faults import TornCard

MAX_LINE = 1024
"""Bytes of a line, more than twice the longest short APDU."""


class ElementServer:
    """Serves one element at the address asked for, one connection after the other; port 0 takes a free one."""

    def __init__(self, element: Element, host: str, port: int) -> None:
        self._element = element
        self._socket = socket.create_server((host, port), family=_family(host), backlog=8)
        self._connection: socket.socket | None = None

    @property
    def address(self) -> str:
        """Where it listens, `tcp://HOST:PORT`."""
        host, port = self._socket.getsockname()[:2]
        return f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"

    def describe(self) -> dict[str, object]:
        """What a stranger needs to open the element: address, number and the keys of its security domains."""
        return {
            "address": self.address,
            "se_id": self._element.se_id,
            "security_domains": [
                {
                    "aid": profile.aid.hex().upper(),
                    "key_version": f"{profile.keys.version:02X}",
                    "keys": {
                        name: key.hex().upper()
                        for name, key in zip(("enc", "mac", "dek"), profile.keys.triple, strict=True)
                    },
                }
                for profile in self._element.security_domains
            ],
        }

    def serve_forever(self) -> None:
        """Serve until `close` is called."""
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:  # closed
                return
            with connection:
                self._connection = connection
                self._serve(connection)

    def close(self) -> None:
        """Stop listening and end the connection under way; also from another thread."""
        for each in (self._socket, self._connection):
            if each is not None:
                with suppress(OSError):  # not connected any more
                    each.shutdown(socket.SHUT_RDWR)  # wakes accept and read up, which close alone does not
        self._socket.close()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection.makefile("rwb") as stream:
                while (line := _read_line(stream)) is not None:
                    stream.write(self._answer(line).encode("ascii") + b"\n")
                    stream.flush()
        except (OSError, TornCard):
            pass  # the reader is gone, or the card is: the same to both
        finally:
            self._element.reset()

    def _answer(self, line: bytes) -> str:
        if len(line) > MAX_LINE:
            return f"ERROR line longer than {MAX_LINE} bytes"
        text = line.strip()
        if text == b"RESET":
            self._element.reset()
            return "OK"
        try:
            apdu = bytes.fromhex(text.decode("ascii"))
        except ValueError:
            return "ERROR expected hex digits or RESET"
        if len(apdu) < 4:
            return "ERROR an APDU has at least 4 bytes"
        return self._element.transmit(apdu).hex().upper()


def serve(element: Element, host: str, port: int, announce: Callable[[str], None] | None = None) -> None:
    """Announce the element as one line of JSON, then serve it until interrupted."""
    server = ElementServer(element, host, port)
    (announce or _print_at_once)(json.dumps(server.describe()))
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.close()


def _print_at_once(line: str) -> None:
    print(line, flush=True)


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _read_line(stream: BufferedRWPair) -> bytes | None:
    """One line, the rest of one that is too long thrown away; None at the end."""
    line = stream.readline(MAX_LINE + 1)
    if not line:
        return None
    rest = line
    while rest and not rest.endswith(b"\n"):
        rest = stream.readline(MAX_LINE)
    return line if rest else None
