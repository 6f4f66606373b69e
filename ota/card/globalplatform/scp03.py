"""SCP03 without its cryptography, 8-byte mode: what is derived and MACed (Amendment D 1.1.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ota.card.globalplatform.protection import mac_header

if TYPE_CHECKING:
    from ota.card.apdu import Command
    from ota.card.status import StatusWord

BLOCK: Final = 16

DERIVE_CARD_CRYPTOGRAM: Final = 0x00
DERIVE_HOST_CRYPTOGRAM: Final = 0x01
DERIVE_CARD_CHALLENGE: Final = 0x02
DERIVE_S_ENC: Final = 0x04
DERIVE_S_MAC: Final = 0x06
DERIVE_S_RMAC: Final = 0x07
"""Data derivation constants (table 4-1)."""

COUNTER_POSITION: Final = 15
"""Where the KDF's one-byte counter stands in its input (4.1.5)."""

FIRST_CHAINING: Final = bytes(16)
"""The MAC chaining value before EXTERNAL AUTHENTICATE (6.2.3)."""


def derivation_data(constant: int, bits: int, context: bytes) -> bytes:
    """What the KDF turns into derived data (4.1.5; NIST SP 800-108 counter mode with AES-CMAC).

    Label (11 zeros and the constant), separator 00, L in bits; here the one-byte counter goes in; context.
    """
    return bytes(11) + bytes((constant, 0x00)) + bits.to_bytes(2, "big") + context


def card_challenge_context(sequence: bytes, security_domain: bytes) -> bytes:
    """The context of a pseudo-random card challenge, derived with the static Key-ENC (6.2.2.1).

    Recomputed from seven recorded sessions of two makers. The counter goes up with every INITIALIZE UPDATE
    before it is used: a new key set's first recorded session shows 000001, one more than GET DATA C1 told.
    """
    return sequence + security_domain


def mac_data(chaining: bytes, command: Command, data: bytes) -> bytes:
    """What the C-MAC covers: chaining value, modified header, data as it is sent (6.2.4, 6.2.6)."""
    return chaining + mac_header(command, len(data)) + data


def response_mac_data(chaining: bytes, data: bytes, sw: StatusWord) -> bytes:
    """What the R-MAC covers: the command's chaining value, the data as received, the status word (6.2.5)."""
    return chaining + data + sw.to_bytes()


def counter_block(counter: int, *, response: bool = False) -> bytes:
    """The block that S-ENC turns into the ICV of a command, or of its answer (6.2.6, 6.2.7)."""
    block = counter.to_bytes(BLOCK, "big")
    return b"\x80" + block[1:] if response else block


def is_protected(sw: StatusWord) -> bool:
    """Whether an answer with this status word carries an R-MAC: success and warnings, never errors (6.2.5)."""
    return sw.is_success or sw.value >> 8 in (0x62, 0x63)
