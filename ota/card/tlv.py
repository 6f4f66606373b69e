"""BER-TLV (ISO/IEC 8825-1 as ISO/IEC 7816-4 5.2.2 uses it): a strict reader for hostile bytes and a writer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ota.card.problems import MalformedAnswer
from ota.core.errors import InvalidValue

MAX_DEPTH: Final = 8
"""Real cards nest four deep (6F/A5/BF0C/61); a bomb nests until the stack ends."""

MAX_LENGTH: Final = 0xFFFF


@dataclass(frozen=True, slots=True, repr=False)
class Tlv:
    """A tag with its value; children when the tag says constructed. Its repr shows no value."""

    tag: int
    value: bytes
    children: "tuple[Tlv, ...]" = ()

    def __repr__(self) -> str:
        return f"Tlv({self.tag:X}, {len(self.value)} bytes)"

    def find(self, *path: int) -> "Tlv | None":
        """The first element down a path of tags below this one, or None."""
        return find(self.children, *path)


def parse(data: bytes) -> tuple[Tlv, ...]:
    """Read a sequence of elements that fills the bytes exactly; raises MalformedAnswer.

    Accepts tags of 1 to 3 bytes and definite lengths of 1 to 3 bytes in their shortest form only.

    >>> parse(bytes.fromhex("6F038401AA"))[0].find(0x84).value.hex()
    'aa'
    """
    return _parse(data, 0)


def find(elements: Sequence[Tlv], *path: int) -> Tlv | None:
    """The first element down a path of tags, or None."""
    for element in elements:
        if element.tag == path[0]:
            return find(element.children, *path[1:]) if len(path) > 1 else element
    return None


def build(tag: int, *parts: bytes) -> bytes:
    """Write one element: the tag (1 to 3 bytes), the shortest length and the joined parts.

    >>> build(0xBF0C, b"").hex()
    'bf0c00'
    """
    if not 0 < tag <= 0xFFFFFF:
        raise InvalidValue("tag", "1 to 3 bytes")
    raw_tag = tag.to_bytes((tag.bit_length() + 7) // 8, "big")
    if _tag_length(raw_tag, 0) != len(raw_tag):
        raise InvalidValue("tag", "a well-formed tag")
    value = b"".join(parts)
    return raw_tag + _length(len(value)) + value


def _parse(data: bytes, depth: int) -> tuple[Tlv, ...]:
    if depth > MAX_DEPTH:
        raise _malformed(f"at most {MAX_DEPTH} levels")
    found = []
    position = 0
    while position < len(data):
        end_of_tag = position + (_tag_length(data, position) or 0)
        if end_of_tag == position:
            raise _malformed("a tag of 1 to 3 bytes")
        start, end = _value_range(data, end_of_tag)
        value = data[start:end]
        constructed = bool(data[position] & 0x20)
        children = _parse(value, depth + 1) if constructed else ()
        found.append(Tlv(int.from_bytes(data[position:end_of_tag], "big"), value, children))
        position = end
    return tuple(found)


def _tag_length(data: bytes, position: int) -> int | None:
    """Bytes of the tag that begins here, or None when it is cut off, too long or not in its shortest form."""
    if data[position] & 0x1F != 0x1F:
        return 1 if data[position] else None  # 00 is filler, never a tag
    following = data[position + 1 : position + 3]
    if (
        not following or following[0] == 0x80
    ):  # EMV's 9F0C and BF0C could be shorter; leading zeros are refused
        return None
    if following[0] < 0x80:
        return 2
    return 3 if len(following) == 2 and following[1] < 0x80 else None


def _value_range(data: bytes, position: int) -> tuple[int, int]:
    """Where the value begins and ends, from the length field at this position."""
    if position >= len(data):
        raise _malformed("a length after each tag")
    first = data[position]
    size = 0 if first < 0x80 else first - 0x80
    if first == 0x80 or size > 2:
        raise _malformed("a definite length of 1 to 3 bytes")
    start = position + 1 + size
    length = int.from_bytes(data[position + 1 : start], "big") if size else first
    if start + length > len(data):
        raise _malformed("as many bytes as each length says")
    if data[position:start] != _length(length):
        raise _malformed("lengths in their shortest form")
    return start, start + length


def _length(length: int) -> bytes:
    if length < 0x80:
        return bytes((length,))
    if length <= 0xFF:
        return bytes((0x81, length))
    if length > MAX_LENGTH:
        raise InvalidValue("length", f"up to {MAX_LENGTH} bytes")
    return b"\x82" + length.to_bytes(2, "big")


def _malformed(expected: str) -> MalformedAnswer:
    return MalformedAnswer("TLV data", expected)
