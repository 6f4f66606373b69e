"""An SCP03 session whose keys are in the token (GP Card Specification, Amendment D 1.1.2)."""

from __future__ import annotations

from hmac import compare_digest
from typing import TYPE_CHECKING, Final, NamedTuple

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
from ota.hsm_adapter.errors import ResponseMacWrong
from ota.hsm_adapter.pkcs11 import cmac_kdf
from ota.hsm_adapter.pkcs11.ciphers import AES
from ota.hsm_adapter.pkcs11.session02 import card_kcv
from ota.hsm_adapter.pkcs11.templates import Use
from ota.hsm_adapter.ports import ExportedKey, Operation

if TYPE_CHECKING:
    from ota.card.apdu import Command, Response
    from ota.card.globalplatform.answer import InitializeUpdateAnswer
    from ota.hsm_adapter.keys import CardKey
    from ota.hsm_adapter.pkcs11.cardkeys import CardKeys
    from ota.hsm_adapter.pkcs11.diversify import StaticKeys
    from ota.hsm_adapter.pkcs11.token import Handle, OpenToken

_CRYPTOGRAM_BITS: Final = 64


class SessionKeys03(NamedTuple):
    """The keys of one channel; the DEK is the card's static one (6.2.8)."""

    enc: Handle
    mac: Handle
    rmac: Handle
    dek: Handle


class Scp03Session:
    """One channel's cryptography."""

    def __init__(
        self, token: OpenToken, keys: SessionKeys03, host_challenge: bytes, answer: InitializeUpdateAnswer
    ) -> None:
        self._token = token
        self._keys = keys
        self._context = host_challenge + answer.card_challenge

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
            data = self._token.encipher(self._keys.enc, AES, pad(data, scp03.BLOCK), self._icv(counter))
        return self._with_mac(command, data, chaining)

    def unprotect(self, response: Response, level: int, chaining: bytes, counter: int) -> bytes:
        """The plain data of an answer that carries an R-MAC; raises ResponseMacWrong."""
        data, mac = response.data[:-MAC_LENGTH], response.data[-MAC_LENGTH:]
        expected = self._token.cmac(self._keys.rmac, scp03.response_mac_data(chaining, data, response.sw))
        if not compare_digest(expected[:MAC_LENGTH], mac):
            raise ResponseMacWrong
        if not level & R_ENCRYPTION or not data:
            return data
        return self._deciphered(data, counter)

    def export(self, keys: CardKeys, key: CardKey) -> ExportedKey:
        """A card key under the static Key-DEK: CBC with zero ICV, one block, each key alone (6.2.8).

        It is wrapped inside the token: nobody sees it.
        """
        sealed = keys.sealed(key, Operation.EXPORT_CARD_KEY)
        return ExportedKey(self._token.wrap(self._keys.dek, AES, sealed), card_kcv(keys, key))

    def _deciphered(self, data: bytes, counter: int) -> bytes:
        if len(data) % scp03.BLOCK:
            raise ResponseMacWrong
        iv = self._icv(counter, response=True)
        plain = unpad(self._token.decipher(self._keys.enc, AES, data, iv), scp03.BLOCK)
        if plain is None:
            raise ResponseMacWrong
        return plain

    def _with_mac(self, command: Command, data: bytes, chaining: bytes) -> tuple[Command, bytes]:
        mac = self._token.cmac(self._keys.mac, scp03.mac_data(chaining, command, data))
        return protected(command, data, mac[:MAC_LENGTH]), mac

    def _icv(self, counter: int, *, response: bool = False) -> bytes:
        return self._token.encipher(self._keys.enc, AES, scp03.counter_block(counter, response=response))

    def _cryptogram(self, constant: int) -> bytes:
        """The KDF's only step is a plain CMAC, which the session key may do (6.2.2.2, 6.2.2.3)."""
        data = scp03.derivation_data(constant, _CRYPTOGRAM_BITS, self._context)
        at = scp03.COUNTER_POSITION
        return self._token.cmac(self._keys.mac, data[:at] + b"\x01" + data[at:])[: _CRYPTOGRAM_BITS // 8]


def session_keys(token: OpenToken, static: StaticKeys, length: int, context: bytes) -> SessionKeys03:
    """The session keys, as long as the static ones (6.2.1)."""

    def key(parent: Handle, constant: int, use: Use) -> Handle:
        data = scp03.derivation_data(constant, length * 8, context)
        return cmac_kdf.derive(token, parent, data, scp03.COUNTER_POSITION, length, use)

    return SessionKeys03(
        enc=key(static.enc, scp03.DERIVE_S_ENC, Use.BOTH_WAYS),
        mac=key(static.mac, scp03.DERIVE_S_MAC, Use.MAC),
        rmac=key(static.mac, scp03.DERIVE_S_RMAC, Use.MAC),
        dek=static.dek,
    )


def card_challenge(token: OpenToken, static: StaticKeys, sequence: bytes, security_domain: bytes) -> bytes:
    """The 8 bytes that a card with pseudo-random challenges will choose at this counter (6.2.2.1)."""
    context = scp03.card_challenge_context(sequence, security_domain)
    data = scp03.derivation_data(scp03.DERIVE_CARD_CHALLENGE, _CRYPTOGRAM_BITS, context)
    return cmac_kdf.public_value(token, static.enc, data, scp03.COUNTER_POSITION, _CRYPTOGRAM_BITS // 8)
