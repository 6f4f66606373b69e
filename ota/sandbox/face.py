"""What anybody can read of a transit card: its number and its balance, as public readers ask (CARD.md 5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ota.sandbox import tlv
from ota.sandbox.reader import Answer, Reader

T_UNION: Final = "A000000632010105"
LINGNANTONG: Final = "5041592E41505059"  # PAY.APPY
LINGNANTONG_WALLET: Final = "5041592E5449434C"  # PAY.TICL
EF15_LENGTH: Final = 30
_NO_SIGN: Final = 0x7FFFFFFF
"""Readers leave the top bit out of a balance (CARD.md 1.2)."""


@dataclass(frozen=True, slots=True)
class Face:
    """A card as its own files show it: the 19 digits, EF15 (30 bytes) and the balance in fen, None when not told."""

    card_no: str
    ef15: bytes
    balance_fen: int | None


class NotReadable(Exception):
    """The card has no such application, or does not tell its number."""


def read_face(reader: Reader, aid: str = T_UNION) -> Face:
    """Select the application and read number and balance; raises NotReadable, CardGone."""
    fci = select(reader, aid)
    if not (fci.ok or fci.data):  # a locked application shows its FCI with 6A81
        raise NotReadable(f"SELECT {aid} was answered {fci.sw_hex}")
    ef15 = tlv.find(fci.data, 0x6F, 0xA5, 0x9F0C) or b""
    if not _tells_number(ef15):
        ef15 = _read_ef15(reader)
    if not _tells_number(ef15):
        raise NotReadable("neither the FCI nor 00B095001E tells a card number")
    return Face(card_number(ef15), ef15[:EF15_LENGTH], read_balance(reader))


def find_face(reader: Reader, aid: str = T_UNION) -> Face | None:
    """The card's face; None when there is no such card on the element. Raises CardGone."""
    try:
        return read_face(reader, aid)
    except NotReadable:
        return None


def select(reader: Reader, aid: str, note: str = "") -> Answer:
    """SELECT by name; a card that wants no Le gets none."""
    return reader.send(f"00A40400{len(aid) // 2:02X}{aid}00", note)


def read_balance(reader: Reader) -> int | None:
    """GET BALANCE of the purse in the selected application, in fen; None when the card does not tell."""
    answer = reader.send("805C000204")
    if not answer.ok or len(answer.data) < 4:
        return None
    return int.from_bytes(answer.data[:4], "big") & _NO_SIGN


def card_number(ef15: bytes) -> str:
    """The 19 digits: the application serial number in bytes 10 to 19 without its leading 0 (CARD.md 3.2)."""
    return ef15[10:20].hex()[1:]


def _read_ef15(reader: Reader) -> bytes:
    for command in ("00B095001E", "00B0950000"):
        answer = reader.send(command)
        if answer.ok:
            return answer.data
    return b""


def _tells_number(ef15: bytes) -> bool:
    return len(ef15) >= EF15_LENGTH and card_number(ef15).isdecimal() and any(ef15[10:20])
