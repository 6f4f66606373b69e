"""A lenient reader of BER-TLV for answers of cards that nobody here made: what cannot be read is not there."""

from __future__ import annotations

from collections.abc import Iterator


def find(data: bytes, *path: int) -> bytes | None:
    """The value under a path of tags, each inside the one before; None when it is not there."""
    for tag in path:
        found = next((value for each, value in objects(data) if each == tag), None)
        if found is None:
            return None
        data = found
    return data


def objects(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tags and values one after the other, up to the first that is cut short (ISO/IEC 8825-1 8.1)."""
    while data:
        width = 1 if data[0] & 0x1F != 0x1F else 2
        head = _length(data[width:])
        if head is None:
            return
        length, taken = head
        tag, rest = int.from_bytes(data[:width], "big"), data[width + taken :]
        if len(rest) < length:
            return
        yield tag, rest[:length]
        data = rest[length:]


def _length(data: bytes) -> tuple[int, int] | None:
    """The length and how many bytes tell it."""
    if not data or data[0] in (0x80, 0xFF):
        return None
    if data[0] < 0x80:
        return data[0], 1
    width = data[0] - 0x80
    if width > 2 or len(data) < 1 + width:
        return None
    return int.from_bytes(data[1 : 1 + width], "big"), 1 + width
