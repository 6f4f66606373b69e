"""The T-Union e-purse application (JT/T 978; CARD.md 3.1 to 3.5, 3.7)."""

from __future__ import annotations

from collections.abc import Mapping

from ota.sandbox.element.application import Decipher
from ota.sandbox.element.content import Request
from ota.sandbox.element.epurse import PurseApplication
from ota.sandbox.element.files import BinaryFile, CyclicFile, File, IdentifiedFile, LogFile
from ota.sandbox.element.personalise_purse import build_purse, take_purse_dgi
from ota.sandbox.element.purse import Entry, Purse
from ota.sandbox.element.status import CONDITIONS_NOT_SATISFIED, WRONG_DATA, require
from ota.sandbox.element.tlv import tlv

INFORMATION, HOLDER, INTEROPERABILITY, LOG, VARIABLE, JOURNEYS = 0x15, 0x16, 0x17, 0x18, 0x19, 0x1E
_LENGTHS = {INFORMATION: 30, HOLDER: 55, INTEROPERABILITY: 60}
_CONTENT_DGIS = {0xB001: INFORMATION, 0xB002: HOLDER, 0xB003: INTEROPERABILITY}
_MANDATORY_DGIS = {0xB001, 0xB003, 0xB0A0}
_FILE_DEFINITIONS = 0xA001
_DEFINITION, _CYCLIC = 7, 0x02
_IDENTIFIED_SIZE = 0x400


class TUnion(PurseApplication):
    """One instance with a purse of its own."""

    memory = 8192

    def __init__(self, request: Request) -> None:
        self._purse = build_purse(request.platform.options)
        self._binaries = {
            INFORMATION: BinaryFile(_LENGTHS[INFORMATION]),
            HOLDER: BinaryFile(_LENGTHS[HOLDER], fill=0x20),
            INTEROPERABILITY: BinaryFile(_LENGTHS[INTEROPERABILITY]),
        }
        self._content = self._standard_files()
        self._taken: set[int] = set()
        super().__init__(request)

    @property
    def purse(self) -> Purse:
        """This application's own purse."""
        return self._purse

    @property
    def files(self) -> Mapping[int, File]:
        """All files; there is one directory."""
        return self._content

    @property
    def file_control_information(self) -> bytes:
        """Name, version 02 once personalised, and EF15 (CARD.md 3.1)."""
        version = b"\x02" if self._purse.ready else b"\x00"
        proprietary = tlv(0x9F08, version) + tlv(0x9F0C, self._binaries[INFORMATION].content)
        return tlv(0x6F, tlv(0x84, self.aid) + tlv(0xA5, proprietary))

    def select_by_identifier(self, identifier: int) -> bytes:
        """Make an elementary file the current one."""
        return self._files.select(identifier)

    def store(self, dgi: int, content: bytes, decipher: Decipher | None) -> None:
        """Take file definitions, file contents or keys; not a second time after the personalisation."""
        require(not self._purse.ready, CONDITIONS_NOT_SATISFIED)
        if not take_purse_dgi(self._purse, dgi, content, decipher):
            require(decipher is None, WRONG_DATA)
            self._take_file_dgi(dgi, content)
        self._taken.add(dgi)

    def finish_personalisation(self) -> None:
        """Be ready when EF15, EF17 and the 3DES keys are there."""
        require(self._taken >= _MANDATORY_DGIS, CONDITIONS_NOT_SATISFIED)
        self._purse.ready = True
        super().finish_personalisation()

    def _take_file_dgi(self, dgi: int, content: bytes) -> None:
        if dgi == _FILE_DEFINITIONS:
            self._define(content)
            return
        require(dgi in _CONTENT_DGIS, WRONG_DATA)
        identifier = _CONTENT_DGIS[dgi]
        require(len(content) == _LENGTHS[identifier], WRONG_DATA)
        self._binaries[identifier].write(0, content)

    def _standard_files(self) -> dict[int, File]:
        return {
            **self._binaries,
            LOG: LogFile(lambda: self._purse, log_record),
            VARIABLE: IdentifiedFile(_IDENTIFIED_SIZE),
            0x1A: IdentifiedFile(_IDENTIFIED_SIZE),
            0x1B: IdentifiedFile(_IDENTIFIED_SIZE),
            0x1C: IdentifiedFile(_IDENTIFIED_SIZE),
            JOURNEYS: CyclicFile(48, 30),
        }

    def _define(self, content: bytes) -> None:
        """Take the list of files; a cyclic one says record length and count, the others are known by number."""
        require(content and len(content) % _DEFINITION == 0, WRONG_DATA)
        for start in range(0, len(content), _DEFINITION):
            identifier, kind, _, _, length, count, _ = content[start : start + _DEFINITION]
            if kind == _CYCLIC:
                self._content[identifier] = CyclicFile(length, count)
            else:
                self._content.setdefault(identifier, IdentifiedFile(_IDENTIFIED_SIZE))


def log_record(entry: Entry) -> bytes:
    """23 bytes: counter, overdraft limit, amount, type, terminal, date and time (CARD.md 3.5)."""
    counter, amount = entry.counter.to_bytes(2, "big"), entry.amount.to_bytes(4, "big")
    return counter + bytes(3) + amount + bytes((entry.kind,)) + entry.terminal + entry.at
