"""Elementary files: transparent, cyclic, of records told apart by their first byte, and the log seen as a file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ota.sandbox.element.purse import Entry, Purse
from ota.sandbox.element.status import (
    NO_SPACE,
    RECORD_NOT_FOUND,
    SECURITY_NOT_SATISFIED,
    WRONG_DATA,
    WRONG_LENGTH,
    WRONG_OFFSET,
    CardError,
    require,
)


class RecordFile(Protocol):
    """A file of records, numbered from 1."""

    def read(self, number: int) -> bytes:
        """One record, or 6A83."""
        ...

    def check(self, number: int, data: bytes) -> None:
        """Refuse what `write` could not take."""
        ...

    def write(self, number: int, data: bytes) -> None:
        """Write what was checked before."""
        ...


class BinaryFile:
    """A transparent file of fixed length."""

    def __init__(self, length: int, fill: int = 0x00) -> None:
        self.content = bytes((fill,)) * length

    def read(self, offset: int, length: int | None) -> bytes:
        """From an offset; asking for more than there is gets 6Cxx, except by Le 00, which takes what there is."""
        require(offset < len(self.content), WRONG_OFFSET)
        left = len(self.content) - offset
        if length in (None, 256):
            return self.content[offset : offset + 256]
        require((length or 0) <= left, 0x6C00 | left & 0xFF)
        return self.content[offset : offset + (length or 0)]

    def write(self, offset: int, data: bytes) -> None:
        """Overwrite a part; beyond the end is 6B00."""
        require(offset + len(data) <= len(self.content), WRONG_OFFSET)
        self.content = self.content[:offset] + data + self.content[offset + len(data) :]


class CyclicFile:
    """Records of one length; record 1 is the newest, the oldest falls out."""

    def __init__(self, length: int, capacity: int) -> None:
        self._length = length
        self._capacity = capacity
        self._records: tuple[bytes, ...] = ()

    def read(self, number: int) -> bytes:
        """One record, or 6A83."""
        return _nth(self._records, number)

    def check(self, number: int, data: bytes) -> None:
        """Number 0 appends, another overwrites a record that is there."""
        require(len(data) == self._length, WRONG_LENGTH)
        require(number <= len(self._records), RECORD_NOT_FOUND)

    def write(self, number: int, data: bytes) -> None:
        """Append or overwrite."""
        self.check(number, data)
        if number == 0:
            self._records = (data, *self._records)[: self._capacity]
        else:
            self._records = (*self._records[: number - 1], data, *self._records[number:])


class IdentifiedFile:
    """Records of any length whose first byte is their identifier (EF19 and its like); `size` bytes in all."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._records: tuple[bytes, ...] = ()

    def read(self, number: int) -> bytes:
        """One record by its place, or 6A83."""
        return _nth(self._records, number)

    def check(self, number: int, data: bytes) -> None:
        """The first byte must be the identifier that the command names, and there must be room, else 6A84."""
        require(data and data[0] == number, WRONG_DATA)
        require(sum(map(len, self._with(data))) <= self._size, NO_SPACE)

    def write(self, number: int, data: bytes) -> None:
        """Replace the record of this identifier, or append it."""
        self.check(number, data)
        self._records = self._with(data)

    def _with(self, data: bytes) -> tuple[bytes, ...]:
        if not any(record[0] == data[0] for record in self._records):
            return (*self._records, data)
        return tuple(data if record[0] == data[0] else record for record in self._records)


class LogFile:
    """The purse's log, shown in the form of one application; only the purse writes it."""

    def __init__(self, purse: Callable[[], Purse], form: Callable[[Entry], bytes]) -> None:
        self._purse = purse
        self._form = form

    def read(self, number: int) -> bytes:
        """One record, newest first, or 6A83."""
        return _nth(tuple(self._form(entry) for entry in self._purse().state.log), number)

    def check(self, number: int, data: bytes) -> None:
        """Nobody may write here: 6982."""
        del number, data
        raise CardError(SECURITY_NOT_SATISFIED)

    def write(self, number: int, data: bytes) -> None:
        """Nobody may write here: 6982."""
        self.check(number, data)


File = BinaryFile | RecordFile


def _nth(records: tuple[bytes, ...], number: int) -> bytes:
    require(1 <= number <= len(records), RECORD_NOT_FOUND)
    return records[number - 1]
