"""The directory of contactless applications, 2PAY.SYS.DDF01 (CARD.md 1.1; EMV Book B)."""

from __future__ import annotations

from collections.abc import Iterator

from ota.sandbox.element.apdu import Command
from ota.sandbox.element.application import PERSONALIZED, Applet, Decipher
from ota.sandbox.element.content import Request
from ota.sandbox.element.status import CONDITIONS_NOT_SATISFIED, WRONG_DATA, WRONG_INS, CardError, require
from ota.sandbox.element.tlv import read_tlvs, tlv

_TEMPLATE_DGI = 0x0100
_CONSTRUCTED = (0xA5, 0xBF0C, 0x61)
_APPLICATION_NAME = 0x4F


class Ppse(Applet):
    """Answers SELECT with the list it was personalised with, and nothing else."""

    memory = 512

    def __init__(self, request: Request) -> None:
        super().__init__(request.aid, request.privileges, request.origin)
        self._template = b""

    @property
    def listed(self) -> tuple[bytes, ...]:
        """The AIDs in the list."""
        return tuple(_names(self._template))

    def select(self) -> bytes:
        """Answer name and list."""
        return tlv(0x6F, tlv(0x84, self.aid) + self._template)

    def process(self, command: Command) -> bytes:
        """There is no other command: 6D00."""
        del command
        raise CardError(WRONG_INS)

    def store(self, dgi: int, content: bytes, decipher: Decipher | None) -> None:
        """Take the list; it may be replaced at any time, as applications come and go."""
        require(dgi == _TEMPLATE_DGI and decipher is None, WRONG_DATA)
        list(_names(content))  # refuse what could not be read later
        self._template = content if content.startswith(b"\xa5") else tlv(0xA5, content)

    def finish_personalisation(self) -> None:
        """Be ready when there is a list."""
        require(self._template, CONDITIONS_NOT_SATISFIED)
        self.life_cycle = PERSONALIZED


def _names(data: bytes) -> Iterator[bytes]:
    for tag, value in read_tlvs(data):
        if tag == _APPLICATION_NAME:
            yield value
        elif tag in _CONSTRUCTED:
            yield from _names(value)
