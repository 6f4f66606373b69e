"""Whether a key store's administrator is the one who is known from elsewhere, or came after that one lawfully.

A catalogue says itself who administers it, so its own word is not enough: whoever holds the key-encryption key can write
a catalogue of another administrator, or of none. Each administrator signs the next one's public key (ADR 0036).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ota.hsm_adapter.errors import KeyStoreDamaged
from ota.hsm_adapter.software.administration import Administrator, AdministratorRecord, fingerprint_of

PUBLIC_LENGTH: Final = 32
_PURPOSE: Final = b"ota key administrator's successor "


@dataclass(frozen=True, slots=True)
class Endorsement:
    """An administrator's signature over the public key of the one who comes next; all three as raw bytes."""

    by: bytes
    of: bytes
    signature: bytes

    @property
    def holds(self) -> bool:
        """Whether the one before signed the one after."""
        try:
            Ed25519PublicKey.from_public_bytes(self.by).verify(self.signature, _PURPOSE + self.of)
        except InvalidSignature:
            return False
        return True


def endorse(predecessor: Administrator, successor: AdministratorRecord) -> Endorsement:
    """The unlocked administrator hands over."""
    signature = predecessor.sign(_PURPOSE + successor.public)
    return Endorsement(predecessor.record.public, successor.public, signature)


def check_succession(
    administrator: AdministratorRecord | None, line: Sequence[Endorsement], known: bytes
) -> None:
    """Raise KeyStoreDamaged unless the administrator has the known public key, or follows from it by the line."""
    if administrator is None:
        raise KeyStoreDamaged(f"it has no administrator; {fingerprint_of(known)} is expected")
    reached = known
    for step in line:
        if step.by == reached and step.holds:
            reached = step.of
    if administrator.public not in (known, reached):
        raise KeyStoreDamaged(
            f"its administrator is {administrator.fingerprint}; {fingerprint_of(known)} or a successor is expected"
        )
