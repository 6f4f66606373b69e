"""The commands every reader sends: SELECT, READ BINARY, READ RECORD, GET CHALLENGE, VERIFY (CARD.md 1.2)."""

from ota.card.apdu import Command
from ota.core.errors import InvalidValue

PPSE = bytes.fromhex("325041592E5359532E4444463031")
"""``2PAY.SYS.DDF01``. On a real dual card its SELECT comes last: it hides what it does not list (CARD.md 1.1)."""


def select_name(aid: bytes, le: int | None = 0) -> Command:
    """SELECT by AID or DF name, 5 to 16 bytes; a prefix selects the first instance that begins with it."""
    if not 5 <= len(aid) <= 16:
        raise InvalidValue("aid", "5 to 16 bytes")
    return Command(0x00, 0xA4, 0x04, 0x00, aid, le)


def select_file(fid: bytes, le: int | None = None) -> Command:
    """SELECT by file identifier, 2 bytes, such as DDF1 or ADF3 inside the Lingnantong application."""
    if len(fid) != 2:
        raise InvalidValue("fid", "2 bytes")
    return Command(0x00, 0xA4, 0x00, 0x00, fid, le)


def read_binary(sfi: int, le: int = 0, offset: int = 0) -> Command:
    """READ BINARY by short file identifier 1 to 31, from an offset of 0 to 255."""
    return Command(0x00, 0xB0, 0x80 | _sfi(sfi), offset, le=le)


def read_record(sfi: int, record: int, le: int = 0) -> Command:
    """READ RECORD by number; in a cyclic file record 1 is the newest."""
    return Command(0x00, 0xB2, record, _sfi(sfi) << 3 | 4, le=le)


def get_challenge(length: int = 4) -> Command:
    """GET CHALLENGE: 4 or 8 random bytes for the secure messaging of the next command."""
    if length not in (4, 8):
        raise InvalidValue("length", "4 or 8")
    return Command(0x00, 0x84, 0x00, 0x00, le=length)


def verify_pin(pin_digits: str) -> Command:
    """VERIFY: a PIN of 4 to 12 digits as BCD; Lingnantong's published default is not a secret (CARD.md 1.2)."""
    if not (pin_digits.isascii() and pin_digits.isdigit() and len(pin_digits) in (4, 6, 8, 10, 12)):
        raise InvalidValue("pin", "an even number of 4 to 12 digits")
    return Command(0x00, 0x20, 0x00, 0x00, bytes.fromhex(pin_digits))


def _sfi(sfi: int) -> int:
    if not 1 <= sfi <= 31:
        raise InvalidValue("sfi", "1 to 31")
    return sfi
