"""READ and UPDATE of binary and record files, by short identifier or in the current file (CARD.md 1.2, 1.7)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ota.sandbox.element.apdu import Command, refuse_wrong_le
from ota.sandbox.element.files import BinaryFile, File, RecordFile
from ota.sandbox.element.status import (
    FILE_NOT_FOUND,
    NO_CURRENT_FILE,
    WRONG_FILE_TYPE,
    WRONG_P1P2,
    CardError,
    needed,
    require,
)

_SHORT_IDENTIFIER = 0x80
_BY_NUMBER = 0x04


class FileCommands:
    """The files of the current directory, and which of them is the current one."""

    def __init__(self, files: Callable[[], Mapping[int, File]]) -> None:
        self._files = files
        self._current: int | None = None

    def forget(self) -> None:
        """No file is the current one."""
        self._current = None

    def select(self, identifier: int) -> bytes:
        """Make a file the current one; its identifier is its short one."""
        require(identifier in self._files(), FILE_NOT_FOUND)
        self._current = identifier
        return b""

    def read_binary(self, command: Command) -> bytes:
        """Answer a part of a transparent file."""
        file, offset = self._binary(command)
        return file.read(offset, command.le)

    def read_record(self, command: Command) -> bytes:
        """Answer one record, by its number."""
        require(command.p2 & 0x07 == _BY_NUMBER, WRONG_P1P2)
        record = self.record_file(command).read(command.p1)
        refuse_wrong_le(command, len(record))
        return record

    def update_binary(self, command: Command, data: bytes) -> bytes:
        """Overwrite a part of a transparent file."""
        file, offset = self._binary(command)
        file.write(offset, data)
        return b""

    def update_record(self, command: Command, data: bytes) -> bytes:
        """Write one record."""
        self.record_file(command).write(command.p1, data)
        return b""

    def record_file(self, command: Command) -> RecordFile:
        """The record file that P2 names, 6981 for a transparent one."""
        file = self._file(command.p2 >> 3)
        if isinstance(file, BinaryFile):
            raise CardError(WRONG_FILE_TYPE)
        return file

    def _binary(self, command: Command) -> tuple[BinaryFile, int]:
        by_identifier = command.p1 & _SHORT_IDENTIFIER
        file = self._file(command.p1 & 0x1F if by_identifier else 0)
        if not isinstance(file, BinaryFile):
            raise CardError(WRONG_FILE_TYPE)
        return file, command.p2 if by_identifier else command.reference

    def _file(self, short_identifier: int) -> File:
        """By short identifier, which becomes the current file; 0 means the current one."""
        if short_identifier:
            self.select(short_identifier)
        return self._files()[needed(self._current, NO_CURRENT_FILE)]
