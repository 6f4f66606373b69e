"""The answer to INITIALIZE UPDATE, read strictly for either protocol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ota.card.globalplatform.variant import SCP02, ScpVariant
from ota.card.problems import MalformedAnswer

DIVERSIFICATION_LENGTH: Final = 10
_SCP02_LENGTH: Final = 28
_SCP03_LENGTH: Final = 29
_SCP03_WITH_SEQUENCE: Final = 32


@dataclass(frozen=True, slots=True, repr=False)
class InitializeUpdateAnswer:
    """What a security domain says of its keys, its counter and itself (GP 2.3.1 E.5.1.6; Amendment D 7.1.1.6).

    ``i`` is None for SCP02, which does not tell it; ``sequence`` is 2 bytes for SCP02, 3 for SCP03 with
    pseudo-random challenges, otherwise empty; the challenge is 6 bytes for SCP02, 8 for SCP03.
    """

    diversification_data: bytes
    key_version: int
    protocol: int
    i: int | None
    sequence: bytes
    card_challenge: bytes
    card_cryptogram: bytes

    def __repr__(self) -> str:
        return f"InitializeUpdateAnswer(SCP{self.protocol:02d}, key version {self.key_version:02X})"

    def encode(self) -> bytes:
        """The answer as the card sends it, without status word."""
        head = self.diversification_data + bytes((self.key_version, self.protocol))
        if self.i is None:
            return head + self.sequence + self.card_challenge + self.card_cryptogram
        return head + bytes((self.i,)) + self.card_challenge + self.card_cryptogram + self.sequence


def parse_answer(variant: ScpVariant, data: bytes) -> InitializeUpdateAnswer:
    """Read the answer (28 bytes for SCP02, 29 or 32 for SCP03, no status word); raises MalformedAnswer."""
    return _parse_scp02(data) if variant.protocol == SCP02 else _parse_scp03(variant, data)


def _parse_scp02(data: bytes) -> InitializeUpdateAnswer:
    if len(data) != _SCP02_LENGTH:
        raise MalformedAnswer("answer to INITIALIZE UPDATE", f"{_SCP02_LENGTH} bytes for SCP02")
    return InitializeUpdateAnswer(
        diversification_data=data[:10],
        key_version=data[10],
        protocol=data[11],
        i=None,
        sequence=data[12:14],
        card_challenge=data[14:20],
        card_cryptogram=data[20:28],
    )


def _parse_scp03(variant: ScpVariant, data: bytes) -> InitializeUpdateAnswer:
    expected = _SCP03_WITH_SEQUENCE if variant.is_predictable else _SCP03_LENGTH
    if len(data) != expected:
        raise MalformedAnswer("answer to INITIALIZE UPDATE", f"{expected} bytes for {variant}")
    return InitializeUpdateAnswer(
        diversification_data=data[:10],
        key_version=data[10],
        protocol=data[11],
        i=data[12],
        sequence=data[29:],
        card_challenge=data[13:21],
        card_cryptogram=data[21:29],
    )
