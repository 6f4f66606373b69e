"""What the two secure channel protocols have in common, seen from a security domain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ota.sandbox.element.apdu import Command
from ota.sandbox.element.chance import Random
from ota.sandbox.element.keys import KeySet

C_MAC = 0x01
C_DECRYPTION = 0x02
R_MAC = 0x10
R_ENCRYPTION = 0x20
MAC_LENGTH = 8


@dataclass(frozen=True, slots=True)
class Opening:
    """What a session starts from: `i` is the protocol's option byte, `counter` the sequence counter to use."""

    keys: KeySet
    i: int
    aid: bytes
    counter: int
    host_challenge: bytes
    random: Random


class SecureChannel(Protocol):
    """One session: INITIALIZE UPDATE is answered, then EXTERNAL AUTHENTICATE decides."""

    level: int | None
    """Security level after EXTERNAL AUTHENTICATE, None before it."""

    @property
    def answer(self) -> bytes:
        """What follows the key version in the answer to INITIALIZE UPDATE."""
        ...

    def authenticate(self, command: Command) -> None:
        """Take EXTERNAL AUTHENTICATE, or refuse it with 6982 (C-MAC) or 6300 (cryptogram)."""
        ...

    def unwrap(self, command: Command) -> Command:
        """Check and take off the protection of a command; refused with 6982 when it is wrong."""
        ...

    def wrap(self, data: bytes, sw: int) -> bytes:
        """Protect an answer as the level asks, status word included."""
        ...

    def decipher(self, data: bytes) -> bytes:
        """Decipher keys, whole blocks, each key on its own."""
        ...
