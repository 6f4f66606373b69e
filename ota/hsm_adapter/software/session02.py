"""The cryptography of an SCP02 session (GP Card Specification 2.3.1, appendix E)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ota.card.globalplatform import scp02
from ota.card.globalplatform.protection import external_authenticate, is_enciphered, pad, protected
from ota.card.keys import Algorithm
from ota.hsm_adapter.software.ciphers import (
    CbcMac,
    Key,
    RetailMac,
    block_cipher,
    derive_into,
    encipher_cbc,
    wipe,
)

if TYPE_CHECKING:
    from ota.card.apdu import Command
    from ota.card.globalplatform.answer import InitializeUpdateAnswer
    from ota.hsm_adapter.software.diversify import StaticKeys

CHALLENGE_LENGTH: Final = 6


class Scp02Session:
    """The session keys of one channel, alive until `wipe`."""

    def __init__(self, static: StaticKeys, host_challenge: bytes, answer: InitializeUpdateAnswer) -> None:
        self._host_challenge = host_challenge
        self._answer = answer
        sequence = answer.sequence
        self.enc = session_key(static.enc, scp02.DERIVE_ENC, sequence)
        self.mac = session_key(static.mac, scp02.DERIVE_C_MAC, sequence)
        self.dek = session_key(static.dek, scp02.DERIVE_DEK, sequence)
        self._retail = RetailMac(self.mac)

    def wipe(self) -> None:
        """Overwrite the session keys."""
        wipe(self.enc, self.mac, self.dek)

    def card_cryptogram(self) -> bytes:
        """The 8 bytes that prove the card's keys."""
        return self._cryptogram(scp02.card_cryptogram_data(self._host_challenge, self._answer))

    def authenticate(self, level: int) -> tuple[Command, bytes]:
        """EXTERNAL AUTHENTICATE with its C-MAC, and that C-MAC as the first to chain from."""
        cryptogram = self._cryptogram(scp02.host_cryptogram_data(self._host_challenge, self._answer))
        command = external_authenticate(level, cryptogram)
        mac = self._retail.mac(scp02.mac_data(command))
        return protected(command, command.data, mac), mac

    def protect(self, command: Command, level: int, chaining: bytes, _counter: int) -> tuple[Command, bytes]:
        """One command on the wire, and its C-MAC to chain from; the C-MAC is over the plain data (E.4.4, E.4.6)."""
        mac = self._retail.mac(scp02.mac_data(command), self._retail.encipher_left(chaining))
        data = command.data
        if is_enciphered(level, command):
            data = encipher_cbc(Algorithm.TDES, self.enc, pad(data, scp02.BLOCK))
        return protected(command, data, mac), mac

    def encipher_key(self, key: Key) -> bytes:
        """A key of 16 bytes under the session DEK, ECB (E.4.7)."""
        return block_cipher(Algorithm.TDES, self.dek).update(key)

    def _cryptogram(self, data: bytes) -> bytes:
        return CbcMac(Algorithm.TDES, self.enc).last_block(data)


def card_challenge(static: StaticKeys, sequence: bytes, security_domain: bytes) -> bytes:
    """The 6 bytes that an i=55 card will choose at this counter."""
    key = session_key(static.mac, scp02.DERIVE_C_MAC, sequence)
    mac = RetailMac(key).mac(scp02.card_challenge_data(security_domain))
    wipe(key)
    return mac[:CHALLENGE_LENGTH]


def session_key(static: Key, constant: bytes, sequence: bytes) -> bytearray:
    """3DES-CBC with zero ICV over constant, counter and zeros (E.4.1)."""
    cipher = block_cipher(Algorithm.TDES, static)
    left = derive_into(cipher, scp02.session_key_data(constant, sequence)[:8])
    # The second block of the data is zeros, so CBC enciphers the first cipher block once more.
    return left + derive_into(cipher, bytes(left))
