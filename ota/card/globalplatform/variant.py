"""Which secure channel protocol a security domain speaks, and which protection levels that allows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ota.core.errors import InvalidValue

C_MAC: Final = 0x01
C_DECRYPTION: Final = 0x02
R_MAC: Final = 0x10
R_ENCRYPTION: Final = 0x20
"""Bits of the security level, P1 of EXTERNAL AUTHENTICATE (GP 2.3.1 E.5.2.3; Amendment D 1.1.2, 7.1.2)."""

SCP02: Final = 2
SCP03: Final = 3

_PSEUDO_RANDOM: Final = {SCP02: 0x40, SCP03: 0x10}  # GP 2.3.1 table E-1 b7; Amendment D 1.1.2 table 5-1 b5
_SCP03_R_MAC: Final = 0x20
_SCP03_R_ENCRYPTION: Final = 0x40

_SUPPORTED: Final = {SCP02: (0x15, 0x55), SCP03: (0x00, 0x10, 0x20, 0x30, 0x60, 0x70)}
_COMMAND_LEVELS: Final = (C_MAC, C_MAC | C_DECRYPTION)
_R_MAC_LEVELS: Final = (C_MAC | R_MAC, C_MAC | C_DECRYPTION | R_MAC)
_FULL: Final = C_MAC | C_DECRYPTION | R_MAC | R_ENCRYPTION


@dataclass(frozen=True, slots=True)
class ScpVariant:
    """A secure channel protocol with its implementation options "i"; raises InvalidValue for an unsupported one.

    SCP02: i=15 and 55 (three keys, explicit start, C-MAC on the modified APDU, ICV enciphered), without R-MAC.
    SCP03: every combination of random or pseudo-random challenge with R-MAC and R-ENCRYPTION, 8-byte mode.
    """

    protocol: int
    i: int

    def __post_init__(self) -> None:
        if self.i not in _SUPPORTED.get(self.protocol, ()):
            raise InvalidValue("scp", "SCP02 with i=15 or 55, or SCP03 with i=00, 10, 20, 30, 60 or 70")

    def __str__(self) -> str:
        return f"SCP{self.protocol:02d} i={self.i:02X}"

    @property
    def is_predictable(self) -> bool:
        """Whether the card challenge follows from the sequence counter, so that scripts can be made beforehand."""
        return bool(self.i & _PSEUDO_RANDOM[self.protocol])

    @property
    def levels(self) -> tuple[int, ...]:
        """The security levels that this variant can be opened at."""
        levels: tuple[int, ...] = _COMMAND_LEVELS
        if self.protocol == SCP03 and self.i & _SCP03_R_MAC:
            levels += _R_MAC_LEVELS
            if self.i & _SCP03_R_ENCRYPTION:
                levels += (_FULL,)
        return levels

    def check_level(self, level: int) -> None:
        """Raise InvalidValue when the level is not one of this variant's."""
        if level not in self.levels:
            known = ", ".join(f"{known:02X}" for known in self.levels)
            raise InvalidValue("level", f"one of {known} for {self}")
