"""The cryptography of an SCP03 session (GP Card Specification, Amendment D 1.1.2)."""

from __future__ import annotations

from hmac import compare_digest
from typing import TYPE_CHECKING, Final

from ota.card.globalplatform import scp03
from ota.card.globalplatform.protection import (
    MAC_LENGTH,
    external_authenticate,
    is_enciphered,
    pad,
    protected,
    unpad,
)
from ota.card.globalplatform.variant import R_ENCRYPTION
from ota.card.keys import Algorithm
from ota.hsm_adapter.errors import ResponseMacWrong
from ota.hsm_adapter.software.ciphers import (
    Key,
    block_cipher,
    cmac,
    decipher_aes_cbc,
    derive_by_cmac,
    encipher_cbc,
    wipe,
)

if TYPE_CHECKING:
    from ota.card.apdu import Command, Response
    from ota.card.globalplatform.answer import InitializeUpdateAnswer
    from ota.hsm_adapter.software.diversify import StaticKeys

_CRYPTOGRAM_BITS: Final = 64
_AES: Final = Algorithm.AES128  # the cipher takes its size from the key


class Scp03Session:
    """The session keys of one channel, alive until `wipe`; the DEK is the card's static one (6.2.8)."""

    def __init__(self, static: StaticKeys, host_challenge: bytes, answer: InitializeUpdateAnswer) -> None:
        self._context = host_challenge + answer.card_challenge
        self.enc = session_key(static.enc, scp03.DERIVE_S_ENC, self._context)
        self.mac = session_key(static.mac, scp03.DERIVE_S_MAC, self._context)
        self.rmac = session_key(static.mac, scp03.DERIVE_S_RMAC, self._context)
        self._dek = bytearray(static.dek)

    def wipe(self) -> None:
        """Overwrite the session keys and the copy of the DEK."""
        wipe(self.enc, self.mac, self.rmac, self._dek)

    def card_cryptogram(self) -> bytes:
        """The 8 bytes that prove the card's keys."""
        return self._cryptogram(scp03.DERIVE_CARD_CRYPTOGRAM)

    def authenticate(self, level: int) -> tuple[Command, bytes]:
        """EXTERNAL AUTHENTICATE with its C-MAC, and the 16 bytes to chain from."""
        command = external_authenticate(level, self._cryptogram(scp03.DERIVE_HOST_CRYPTOGRAM))
        return self._with_mac(command, command.data, scp03.FIRST_CHAINING)

    def protect(self, command: Command, level: int, chaining: bytes, counter: int) -> tuple[Command, bytes]:
        """One command on the wire and the 16 bytes to chain from.

        The counter steps for commands without data too.
        """
        data = command.data
        if is_enciphered(level, command):
            data = encipher_cbc(_AES, self.enc, pad(data, scp03.BLOCK), self._icv(counter))
        return self._with_mac(command, data, chaining)

    def unprotect(self, response: Response, level: int, chaining: bytes, counter: int) -> bytes:
        """The plain data of an answer that carries an R-MAC; raises ResponseMacWrong."""
        data, mac = response.data[:-MAC_LENGTH], response.data[-MAC_LENGTH:]
        expected = cmac(self.rmac, scp03.response_mac_data(chaining, data, response.sw))[:MAC_LENGTH]
        if not compare_digest(expected, mac):
            raise ResponseMacWrong
        if not level & R_ENCRYPTION or not data:
            return data
        return self._decipher(data, counter)

    def encipher_key(self, key: Key) -> bytes:
        """A key of 16 bytes under the static Key-DEK: CBC with zero ICV, one block, each key alone (6.2.8)."""
        return block_cipher(_AES, self._dek).update(key)

    def _decipher(self, data: bytes, counter: int) -> bytes:
        if len(data) % scp03.BLOCK:
            raise ResponseMacWrong
        iv = self._icv(counter, response=True)
        plain = unpad(decipher_aes_cbc(self.enc, data, iv), scp03.BLOCK)
        if plain is None:
            raise ResponseMacWrong
        return plain

    def _with_mac(self, command: Command, data: bytes, chaining: bytes) -> tuple[Command, bytes]:
        mac = cmac(self.mac, scp03.mac_data(chaining, command, data))
        return protected(command, data, mac[:MAC_LENGTH]), mac

    def _icv(self, counter: int, *, response: bool = False) -> bytes:
        block = scp03.counter_block(counter, response=response)
        return block_cipher(_AES, self.enc).update(block)

    def _cryptogram(self, constant: int) -> bytes:
        data = scp03.derivation_data(constant, _CRYPTOGRAM_BITS, self._context)
        return bytes(derive_by_cmac(self.mac, data, _CRYPTOGRAM_BITS // 8))


def session_key(static: Key, constant: int, context: bytes) -> bytearray:
    """A session key as long as the static one (6.2.1)."""
    return derive_by_cmac(static, scp03.derivation_data(constant, len(static) * 8, context), len(static))


def card_challenge(static: StaticKeys, sequence: bytes, security_domain: bytes) -> bytes:
    """The 8 bytes that a card with pseudo-random challenges will choose at this counter (6.2.2.1)."""
    context = scp03.card_challenge_context(sequence, security_domain)
    data = scp03.derivation_data(scp03.DERIVE_CARD_CHALLENGE, _CRYPTOGRAM_BITS, context)
    return bytes(derive_by_cmac(static.enc, data, _CRYPTOGRAM_BITS // 8))
