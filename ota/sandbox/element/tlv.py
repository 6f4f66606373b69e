"""The card's own BER-TLV and DGI reader and writer (ISO/IEC 8825-1; GP Systems Scripting 2.1 for DGIs)."""

from __future__ import annotations

from collections.abc import Iterator

from ota.sandbox.element.status import WRONG_DATA, require


def tlv(tag: int, value: bytes) -> bytes:
    """One data object; the tag number as it is written, the length in its shortest form."""
    if len(value) < 0x80:
        length = bytes((len(value),))
    elif len(value) < 0x100:
        length = bytes((0x81, len(value)))
    else:
        length = b"\x82" + len(value).to_bytes(2, "big")
    return tag.to_bytes((tag.bit_length() + 7) // 8, "big") + length + value


def read_tlvs(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tags and values one after the other; anything cut short or oddly coded is refused with 6A80."""
    while data:
        tag, data = _take_tag(data)
        length, data = _take_length(data)
        require(len(data) >= length, WRONG_DATA)
        yield tag, data[:length]
        data = data[length:]


def find_tlv(data: bytes, tag: int) -> bytes | None:
    """The first value under a tag on the top level."""
    return next((value for found, value in read_tlvs(data) if found == tag), None)


def read_lv(data: bytes) -> list[bytes]:
    """Values each behind one length byte, as INSTALL strings them together (GP Card Spec 2.3.1 11.5.2.3)."""
    values = []
    while data:
        length, data = data[0], data[1:]
        require(len(data) >= length, WRONG_DATA)
        values.append(data[:length])
        data = data[length:]
    return values


def _take_tag(data: bytes) -> tuple[int, bytes]:
    if data[0] & 0x1F != 0x1F:
        return data[0], data[1:]
    require(len(data) >= 2 and data[1] < 0x80, WRONG_DATA)  # no tag of three bytes is known here
    return int.from_bytes(data[:2], "big"), data[2:]


def _take_length(data: bytes) -> tuple[int, bytes]:
    require(data, WRONG_DATA)
    first = data[0]
    if first < 0x80:
        return first, data[1:]
    width = first - 0x80
    require(width in (1, 2) and len(data) > width, WRONG_DATA)
    return int.from_bytes(data[1 : 1 + width], "big"), data[1 + width :]
