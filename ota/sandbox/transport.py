"""Ways to a card: the line protocol over TCP, or an element in this process. Both can be torn at any instant."""

from __future__ import annotations

import socket
from typing import Final, Protocol
from urllib.parse import urlsplit

from ota.sandbox.element import Element, TornCard

PATIENCE_S: Final = 10.0
MAX_LINE: Final = 4096


class CardGone(Exception):
    """The card does not answer any more; ``reason`` is one of the protocol's transport errors (PROTOCOL.md)."""

    def __init__(self, reason: str, why: str) -> None:
        super().__init__(why)
        self.reason = reason


class Transport(Protocol):
    """Carries one command to a card and its answer back, status word last."""

    def transmit(self, apdu: bytes) -> bytes:
        """The card's answer, at least 2 bytes; raises CardGone."""
        ...

    def reset(self) -> None:
        """Cut the card's power and give it back; raises CardGone."""
        ...

    def close(self) -> None:
        """Take the card off the reader: to the card a tear."""
        ...


class LineTransport:
    """A card behind the line protocol: a hex APDU a line out, the answer in hex a line in."""

    def __init__(self, address: str, patience_s: float = PATIENCE_S) -> None:
        host, port = parse_address(address)
        try:
            self._socket = socket.create_connection((host, port), timeout=patience_s)
        except OSError as error:
            raise CardGone("se_unavailable", f"nothing answers at {address}: {error}") from error
        self._stream = self._socket.makefile("rwb")

    def transmit(self, apdu: bytes) -> bytes:
        """One line there and one back."""
        line = self._ask(apdu.hex().upper())
        try:
            answer = bytes.fromhex(line)
        except ValueError:
            answer = b""
        if len(answer) < 2:
            raise CardGone("unknown", f"expected an answer in hex digits, the line was {line[:40]!r}")
        return answer

    def reset(self) -> None:
        """The line RESET, answered OK."""
        if self._ask("RESET") != "OK":
            raise CardGone("unknown", "expected OK after RESET")

    def close(self) -> None:
        """Close the connection."""
        try:
            self._stream.close()
        except OSError:  # what was still buffered reaches nobody, as with a torn card
            pass
        finally:
            self._socket.close()

    def _ask(self, line: str) -> str:
        try:
            self._stream.write(line.encode("ascii") + b"\n")
            self._stream.flush()
            answer = self._stream.readline(MAX_LINE)
        except TimeoutError as error:
            raise CardGone("timeout", "the card did not answer in time") from error
        except (OSError, ValueError) as error:
            raise CardGone("se_unavailable", "the connection to the card broke") from error
        if not answer.endswith(b"\n"):
            raise CardGone("se_unavailable", "the card closed the connection")
        return answer.decode("ascii", errors="replace").strip()


class ElementTransport:
    """A virtual element in this process."""

    def __init__(self, element: Element) -> None:
        self._element: Element | None = element

    def transmit(self, apdu: bytes) -> bytes:
        """Hand the command over; a planned accident takes the card away, as a broken line does."""
        if self._element is None:
            raise CardGone("se_unavailable", "the card was taken away")
        try:
            return self._element.transmit(apdu)
        except TornCard as error:
            self._element = None
            raise CardGone("se_unavailable", "the card was torn") from error

    def reset(self) -> None:
        """Cut the power."""
        if self._element is None:
            raise CardGone("se_unavailable", "the card was taken away")
        self._element.reset()

    def close(self) -> None:
        """Tear the card."""
        if self._element is not None:
            self._element.reset()
            self._element = None


def parse_address(address: str) -> tuple[str, int]:
    """Host and port of ``tcp://HOST:PORT`` or ``HOST:PORT``; raises ValueError saying what was expected."""
    try:
        parts = urlsplit(address if "://" in address else f"tcp://{address}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, None
    if parts is None or parts.scheme != "tcp" or not host or port is None:
        raise ValueError(f"{address!r}: expected tcp://HOST:PORT")
    return host, port
