"""Command and response APDUs in short form (ISO/IEC 7816-4, 5.2); bytes inside, hex only at the edges."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final, Self

from ota.card.status import StatusWord
from ota.core.errors import InvalidValue

MAX_DATA: Final = 255
"""A short command carries up to 255 bytes: the phones' channels promise no more (PROTOCOL.md, caps)."""

MAX_RESPONSE_DATA: Final = 256

_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})*", re.ASCII)


@dataclass(frozen=True, slots=True, repr=False)
class Command:
    """One command to a card. ``le`` is the Le byte as it is sent (0 asks for up to 256), None sends none.

    Its repr shows the header and the length of the data only: data may hold a card number or a cryptogram.
    """

    cla: int
    ins: int
    p1: int
    p2: int
    data: bytes = b""
    le: int | None = None

    def __post_init__(self) -> None:
        for name, value in (("cla", self.cla), ("ins", self.ins), ("p1", self.p1), ("p2", self.p2)):
            if not 0 <= value <= 0xFF:
                raise InvalidValue(name, "one byte, 0 to 255")
        if len(self.data) > MAX_DATA:
            raise InvalidValue("data", f"up to {MAX_DATA} bytes")
        if self.le is not None and not 0 <= self.le <= 0xFF:
            raise InvalidValue("le", "one byte, 0 (for 256) to 255")

    def __repr__(self) -> str:
        return f"Command({self.header.hex().upper()}, {len(self.data)} bytes, le={self.le})"

    @property
    def header(self) -> bytes:
        """CLA INS P1 P2."""
        return bytes((self.cla, self.ins, self.p1, self.p2))

    def encode(self) -> bytes:
        """The bytes on the wire: header, Lc and data when there are any, Le when one is wanted.

        >>> Command(0x80, 0x5C, 0x00, 0x02, le=4).encode().hex()
        '805c000204'
        """
        body = bytes((len(self.data),)) + self.data if self.data else b""
        return self.header + body + (b"" if self.le is None else bytes((self.le,)))

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read a short command of any of the four cases; raises InvalidValue."""
        if len(raw) < 4:
            raise InvalidValue("apdu", "at least the 4 bytes of a header")
        cla, ins, p1, p2 = raw[:4]
        body = raw[4:]
        if len(body) <= 1:
            return cls(cla, ins, p1, p2, le=body[0] if body else None)
        lc, rest = body[0], body[1:]
        if lc == 0 or len(rest) not in (lc, lc + 1):
            raise InvalidValue("apdu", "a short command: as many data bytes as Lc says, then at most one Le")
        return cls(cla, ins, p1, p2, rest[:lc], rest[lc] if len(rest) > lc else None)

    @classmethod
    def from_hex(cls, text: str) -> Self:
        """Read a command from hex digits; raises InvalidValue."""
        return cls.parse(from_hex("apdu", text))

    def with_le(self, le: int | None) -> Self:
        """The same command asking for another length, as 6Cxx wants it."""
        return replace(self, le=le)


@dataclass(frozen=True, slots=True, repr=False)
class Response:
    """What a card answered: data (0 to 256 bytes) and the status word. Its repr shows no data."""

    data: bytes
    sw: StatusWord

    def __post_init__(self) -> None:
        if len(self.data) > MAX_RESPONSE_DATA:
            raise InvalidValue("response", f"up to {MAX_RESPONSE_DATA} data bytes")

    def __repr__(self) -> str:
        return f"Response({len(self.data)} bytes, {self.sw})"

    def encode(self) -> bytes:
        """Data and status word as the card sent them."""
        return self.data + self.sw.to_bytes()

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Split an answer into data and status word; raises InvalidValue."""
        if len(raw) < 2:
            raise InvalidValue("response", "at least the 2 bytes of a status word")
        return cls(raw[:-2], StatusWord.from_bytes(raw[-2:]))


def from_hex(field: str, text: str) -> bytes:
    """Strict hex: digits only, an even number of them; raises InvalidValue naming the field, never the text."""
    if not _HEX.fullmatch(text):
        raise InvalidValue(field, "an even number of hex digits")
    return bytes.fromhex(text)
