"""The PIN: 2 to 6 BCD bytes, three tries (CARD.md 1.2)."""

from __future__ import annotations

from ota.sandbox.element.crypto import same
from ota.sandbox.element.status import AUTHENTICATION_BLOCKED, TRIES_LEFT, WRONG_DATA, CardError, require

MAX_TRIES = 3
LENGTHS = range(2, 7)


class Pin:
    """A reference value with its tries; whether it was verified is forgotten with the selection."""

    def __init__(self, value: bytes) -> None:
        self._value = value
        self.tries = MAX_TRIES
        self.is_verified = False

    def forget(self) -> None:
        """Ask for the PIN again."""
        self.is_verified = False

    def is_same(self, value: bytes) -> bool:
        """Compare without counting a try."""
        return same(value, self._value)

    def verify(self, value: bytes) -> None:
        """Compare; 63Cx tells the tries left, 6983 that there is none."""
        require(self.tries, AUTHENTICATION_BLOCKED)
        self.is_verified = self.is_same(value)
        self.tries = MAX_TRIES if self.is_verified else self.tries - 1
        if not self.is_verified:
            raise CardError(TRIES_LEFT | self.tries)

    def replace(self, value: bytes) -> None:
        """Take a new value; the tries start anew."""
        require(len(value) in LENGTHS, WRONG_DATA)
        self._value = value
        self.tries = MAX_TRIES


def pin_in_key(key: bytes) -> bytes | None:
    """A PIN that the maker delivered in the place of a key, filled up with FF to 16 bytes; None for a key."""
    value = key.rstrip(b"\xff")
    is_bcd = all(digit in "0123456789" for digit in value.hex())
    return value if len(value) in LENGTHS and is_bcd else None
