"""The values that travel through the system: parsed once at the edge, checked, immutable."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Self

from ota.core.errors import InvalidValue

CARD_ZONE = timezone(timedelta(hours=8), "Asia/Shanghai")
"""A card stores local time (CARD.md 3.5: the journal carries date and time as read off a wall in Guangdong).

A fixed offset: China has had no summer time since 1991, and a small machine may have no time zone database.
"""

MAX_FEN = 0x7FFF_FFFF
"""A purse balance has 31 usable bits: readers mask the top one (CARD.md 1.2)."""

_CARD_NUMBER = re.compile(r"[0-9]{19}", re.ASCII)
_CITY_CODE = re.compile(r"[0-9]{4}", re.ASCII)
_TERMINAL = re.compile(r"[0-9]{12}", re.ASCII)
_CARD_TIME = re.compile(r"[0-9]{14}", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Fen:
    """An amount of money in fen (1/100 yuan), 0 to 2^31 - 1."""

    amount: int

    def __post_init__(self) -> None:
        if type(self.amount) is not int:  # bool and float are bugs, not amounts
            raise InvalidValue("amount_fen", "a whole number of fen")
        if not 0 <= self.amount <= MAX_FEN:
            raise InvalidValue("amount_fen", f"0 to {MAX_FEN} fen")

    def __add__(self, other: Fen) -> Fen:
        return Fen(self.amount + other.amount)

    def __sub__(self, other: Fen) -> Fen:
        return Fen(self.amount - other.amount)

    def __bool__(self) -> bool:
        return self.amount > 0

    def to_bytes(self) -> bytes:
        """Four bytes, big-endian, as every purse command carries an amount."""
        return self.amount.to_bytes(4, "big")


@dataclass(frozen=True, slots=True, repr=False)
class CardNumber:
    """The 19 digits of a T-Union card; shows only its ends."""

    digits: str

    def __post_init__(self) -> None:
        if not _CARD_NUMBER.fullmatch(self.digits):
            raise InvalidValue("card_no", "19 decimal digits")

    def __repr__(self) -> str:
        return f"CardNumber({self.masked})"

    def __str__(self) -> str:
        return self.masked

    @property
    def masked(self) -> str:
        """The IIN and the last four digits, the rest starred: fit for logs and messages."""
        return f"{self.digits[:8]}*******{self.digits[-4:]}"

    @property
    def serial(self) -> bytes:
        """The 10 bytes of the application serial number: a zero digit, then the number as BCD (CARD.md 3.6)."""
        return bytes.fromhex("0" + self.digits)

    @property
    def factor(self) -> bytes:
        """The 8-byte diversification factor: the rightmost 16 digits (CARD.md 2.2)."""
        return self.serial[2:]

    @classmethod
    def from_serial(cls, serial: bytes) -> Self:
        """Read the 10-byte application serial number back; raises InvalidValue."""
        text = serial.hex()
        if len(serial) != 10 or not text.startswith("0"):
            raise InvalidValue("card_no", "10 bytes: a zero digit and 19 BCD digits")
        return cls(text[1:])


@dataclass(frozen=True, slots=True)
class CityCode:
    """A city by its clearing area code (GB/T 13497), four digits: 5810 is Guangzhou."""

    code: str

    def __post_init__(self) -> None:
        if not _CITY_CODE.fullmatch(self.code):
            raise InvalidValue("city", "a clearing area code of 4 digits")

    def __str__(self) -> str:
        return self.code


@dataclass(frozen=True, slots=True, repr=False)
class Mac4:
    """A 4-byte MAC or TAC; never printed, since it is half of an authorisation."""

    value: bytes

    def __post_init__(self) -> None:
        if len(self.value) != 4:
            raise InvalidValue("mac", "4 bytes")

    def __repr__(self) -> str:
        return "Mac4(****)"


@dataclass(frozen=True, slots=True)
class TerminalNumber:
    """The 6-byte terminal number of a purse command, 12 decimal digits."""

    digits: str

    def __post_init__(self) -> None:
        if not _TERMINAL.fullmatch(self.digits):
            raise InvalidValue("terminal_no", "12 decimal digits")

    def __str__(self) -> str:
        return self.digits

    def to_bytes(self) -> bytes:
        """Six BCD bytes, as INITIALIZE FOR LOAD carries them."""
        return bytes.fromhex(self.digits)


@dataclass(frozen=True, slots=True)
class CardTime:
    """Date and time as a card keeps them: YYYYMMDDhhmmss in local time, 7 BCD bytes."""

    digits: str

    def __post_init__(self) -> None:
        if not _CARD_TIME.fullmatch(self.digits):
            raise InvalidValue("card_time", "YYYYMMDDhhmmss")
        try:
            self.to_utc()
        except (ValueError, OverflowError):  # the first hours of the year 1 lie before every UTC time
            raise InvalidValue("card_time", "a moment that exists, YYYYMMDDhhmmss") from None

    def to_bytes(self) -> bytes:
        """Date (4 bytes) and time (3 bytes), BCD."""
        return bytes.fromhex(self.digits)

    def to_utc(self) -> datetime:
        """The same moment as an aware UTC time."""
        local = datetime.strptime(self.digits, "%Y%m%d%H%M%S").replace(tzinfo=CARD_ZONE)
        return local.astimezone(UTC)

    @classmethod
    def at(cls, moment: datetime) -> Self:
        """The card's way of writing an aware moment, to the second."""
        if moment.tzinfo is None:
            raise InvalidValue("card_time", "a time with a zone")
        return cls(moment.astimezone(CARD_ZONE).strftime("%Y%m%d%H%M%S"))
