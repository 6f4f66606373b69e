"""Status words (ISO/IEC 7816-4, 5.6) and the patterns in which a batch says which of them it expects."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Self

from ota.core.errors import InvalidValue

_STATUS_WORD = re.compile(r"[0-9A-Fa-f]{4}", re.ASCII)
_PATTERN = re.compile(r"[0-9A-F.]{4}(?:\|[0-9A-F.]{4}){0,15}", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class StatusWord:
    """The two bytes that end every answer of a card."""

    value: int

    def __post_init__(self) -> None:
        if type(self.value) is not int or not 0 <= self.value <= 0xFFFF:
            raise InvalidValue("sw", "0 to FFFF")

    def __str__(self) -> str:
        return f"{self.value:04X}"

    def __repr__(self) -> str:
        return f"StatusWord({self})"

    @classmethod
    def from_hex(cls, text: str) -> Self:
        """Read four hex digits; raises InvalidValue.

        >>> StatusWord.from_hex("9000").is_success
        True
        """
        if not _STATUS_WORD.fullmatch(text):
            raise InvalidValue("sw", "4 hex digits")
        return cls(int(text, 16))

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Read two bytes; raises InvalidValue."""
        if len(raw) != 2:
            raise InvalidValue("sw", "2 bytes")
        return cls(int.from_bytes(raw, "big"))

    def to_bytes(self) -> bytes:
        """The two bytes as a card sends them."""
        return self.value.to_bytes(2, "big")

    @property
    def is_success(self) -> bool:
        """Whether this is 9000, normal completion."""
        return self.value == 0x9000

    @property
    def more_data(self) -> int | None:
        """Bytes that GET RESPONSE would fetch (61xx; 0 stands for 256 and more), or None."""
        return self.value & 0xFF if self.value >> 8 == 0x61 else None

    @property
    def correct_le(self) -> int | None:
        """The Le that the card asks for (6Cxx), or None."""
        return self.value & 0xFF if self.value >> 8 == 0x6C else None

    @property
    def tries_left(self) -> int | None:
        """Remaining tries of a PIN or key (63Cx), or None."""
        return self.value & 0x0F if self.value >> 4 == 0x63C else None


SUCCESS: Final = StatusWord(0x9000)


@dataclass(frozen=True, slots=True)
class StatusPattern:
    """Which status words let a batch go on: alternatives of four hex digits or dots, as in ``9000|63C.``.

    Hex digits are upper case, since the text goes into the batch digest. Raises InvalidValue for anything else.

    >>> StatusPattern("9000|61..").matches(StatusWord(0x6110))
    True
    """

    text: str = "9000"

    def __post_init__(self) -> None:
        if not _PATTERN.fullmatch(self.text):
            raise InvalidValue("expect", "1 to 16 alternatives of 4 characters (0-9, A-F or .) joined by |")

    def __str__(self) -> str:
        return self.text

    def matches(self, sw: StatusWord) -> bool:
        """Whether the status word fits one of the alternatives."""
        digits = str(sw)
        return any(
            all(wanted in (".", found) for wanted, found in zip(alternative, digits, strict=True))
            for alternative in self.text.split("|")
        )
