"""SCP02 without its cryptography: what is derived and MACed (GP Card Specification 2.3.1, appendix E)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ota.card.globalplatform.protection import mac_header, pad

if TYPE_CHECKING:
    from ota.card.apdu import Command
    from ota.card.globalplatform.answer import InitializeUpdateAnswer

BLOCK: Final = 8

DERIVE_C_MAC: Final = bytes.fromhex("0101")
DERIVE_R_MAC: Final = bytes.fromhex("0102")
DERIVE_DEK: Final = bytes.fromhex("0181")
DERIVE_ENC: Final = bytes.fromhex("0182")
"""Derivation constants of the session keys (E.4.1)."""


def session_key_data(constant: bytes, sequence: bytes) -> bytes:
    """The 16 bytes that 3DES-CBC with zero ICV turns into a session key (E.4.1)."""
    return constant + sequence + bytes(12)


def card_cryptogram_data(host_challenge: bytes, answer: InitializeUpdateAnswer) -> bytes:
    """The 24 bytes under the card's cryptogram, last 3DES-CBC block with S-ENC (E.4.2.1)."""
    return pad(host_challenge + answer.sequence + answer.card_challenge, BLOCK)


def host_cryptogram_data(host_challenge: bytes, answer: InitializeUpdateAnswer) -> bytes:
    """The 24 bytes under the host's cryptogram (E.4.2.2)."""
    return pad(answer.sequence + answer.card_challenge + host_challenge, BLOCK)


def card_challenge_data(security_domain: bytes) -> bytes:
    """What an i=55 card MACs into its challenge: the AID, padded; the 6 leftmost bytes count (E.4.2.3).

    The MAC is that of E.4.4 with the C-MAC session key of the present counter and a zero ICV. Recomputed from
    the recorded answers of seven cards. The counter goes up only when the first C-MAC of a channel was verified
    (E.1.2), so INITIALIZE UPDATE shows the value that GET DATA C1 told before.
    """
    return pad(security_domain, BLOCK)


def mac_data(command: Command) -> bytes:
    """What the C-MAC of the modified command covers: header and plain data, padded (E.4.4)."""
    return pad(mac_header(command, len(command.data)) + command.data, BLOCK)
