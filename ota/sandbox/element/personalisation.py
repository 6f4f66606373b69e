"""STORE DATA: data groupings that run over several commands, put together and handed to an instance.

GP Card Spec 2.3.1 11.11; the form of a data grouping is that of GP Systems Scripting 2.1 (DGI).
"""

from __future__ import annotations

from ota.sandbox.element.apdu import Command
from ota.sandbox.element.application import Applet, Decipher
from ota.sandbox.element.status import WRONG_DATA, WRONG_P1P2, require

LAST_BLOCK = 0x80
ENCIPHERED = 0x60
DGI_FORM = 0x18
_DGI_FORM_VALUE = 0x08


class Personalisation:
    """The data groupings of one instance, from block 00 to the block marked as last."""

    def __init__(self, target: Applet) -> None:
        self.target = target
        self._block = 0
        self._pending = b""
        self._enciphered = False

    def take(self, command: Command, decipher: Decipher) -> bool:
        """Take one block; tell whether it was the last. Block numbers must follow one another, else 6A86."""
        if command.p2 == 0:  # the host starts over
            self._block, self._pending = 0, b""
        require(command.p2 == self._block and command.p1 & DGI_FORM == _DGI_FORM_VALUE, WRONG_P1P2)
        require(command.p1 & ENCIPHERED in (0, ENCIPHERED), WRONG_P1P2)
        enciphered = command.p1 & ENCIPHERED == ENCIPHERED
        require(not self._pending or enciphered == self._enciphered, WRONG_DATA)
        self._enciphered = enciphered
        self._block = (self._block + 1) & 0xFF
        self._pending = self._hand_over(self._pending + command.data, decipher if enciphered else None)
        if not command.p1 & LAST_BLOCK:
            return False
        require(not self._pending, WRONG_DATA)
        self.target.finish_personalisation()
        return True

    def _hand_over(self, data: bytes, decipher: Decipher | None) -> bytes:
        """Hand every whole grouping to the instance; what is left waits for the next block."""
        while (end := _end_of_first(data)) is not None:
            start = 5 if data[2] == 0xFF else 3
            self.target.store(int.from_bytes(data[:2], "big"), data[start:end], decipher)
            data = data[end:]
        return data


def _end_of_first(data: bytes) -> int | None:
    """Where the first grouping ends: identifier 2, length 1 or FF and 2, content; None when it is not whole yet."""
    if len(data) < 3 or (data[2] == 0xFF and len(data) < 5):
        return None
    end = 5 + int.from_bytes(data[3:5], "big") if data[2] == 0xFF else 3 + data[2]
    return end if len(data) >= end else None
