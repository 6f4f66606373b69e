"""An SCP02 session whose keys are in the token (GP Card Specification 2.3.1, appendix E)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from ota.card.globalplatform import scp02
from ota.card.globalplatform.protection import external_authenticate, is_enciphered, pad, protected
from ota.hsm_adapter.pkcs11.ciphers import TDES
from ota.hsm_adapter.pkcs11.templates import Use, session_key
from ota.hsm_adapter.ports import ExportedKey, Operation
from ota.hsm_adapter.software.ciphers import KCV_LENGTH, wipe, xor

if TYPE_CHECKING:
    from ota.card.apdu import Command
    from ota.card.globalplatform.answer import InitializeUpdateAnswer
    from ota.hsm_adapter.keys import CardKey
    from ota.hsm_adapter.pkcs11.cardkeys import CardKeys
    from ota.hsm_adapter.pkcs11.diversify import StaticKeys
    from ota.hsm_adapter.pkcs11.token import Handle, OpenToken

_KEY_LENGTH: Final = 16
_CHALLENGE_LENGTH: Final = 6


class SessionKeys02(NamedTuple):
    """The keys of one channel; the MAC key also as its left half, which is single DES."""

    enc: Handle
    mac: Handle
    mac_left: Handle
    dek: Handle


class Scp02Session:
    """One channel's cryptography."""

    def __init__(
        self, token: OpenToken, keys: SessionKeys02, host_challenge: bytes, answer: InitializeUpdateAnswer
    ) -> None:
        self._token = token
        self._keys = keys
        self._host_challenge = host_challenge
        self._answer = answer

    def card_cryptogram(self) -> bytes:
        """The 8 bytes that prove the card's keys."""
        return self._cryptogram(scp02.card_cryptogram_data(self._host_challenge, self._answer))

    def authenticate(self, level: int) -> tuple[Command, bytes]:
        """EXTERNAL AUTHENTICATE with its C-MAC, and that C-MAC as the first to chain from."""
        cryptogram = self._cryptogram(scp02.host_cryptogram_data(self._host_challenge, self._answer))
        command = external_authenticate(level, cryptogram)
        mac = self._mac(scp02.mac_data(command), bytes(scp02.BLOCK))
        return protected(command, command.data, mac), mac

    def protect(self, command: Command, level: int, chaining: bytes, _counter: int) -> tuple[Command, bytes]:
        """One command on the wire, and its C-MAC to chain from; the C-MAC is over the plain data (E.4.4, E.4.6)."""
        mac = self._mac(scp02.mac_data(command), self._token.encipher(self._keys.mac_left, TDES, chaining))
        data = command.data
        if is_enciphered(level, command):
            data = self._token.encipher(self._keys.enc, TDES, pad(data, scp02.BLOCK))
        return protected(command, data, mac), mac

    def export(self, keys: CardKeys, key: CardKey) -> ExportedKey:
        """A card key under the session DEK, ECB (E.4.7).

        No token seen so far wraps with 3DES: the card key is exposed here while the DEK stays inside.
        """
        card_key = keys.exposed(key, Operation.EXPORT_CARD_KEY)
        halves = (bytes(card_key[:8]), bytes(card_key[8:]))
        cipher = b"".join(self._token.encipher(self._keys.dek, TDES, half) for half in halves)
        wipe(card_key)
        return ExportedKey(cipher, card_kcv(keys, key))

    def _cryptogram(self, data: bytes) -> bytes:
        return self._token.encipher(self._keys.enc, TDES, data)[-scp02.BLOCK :]

    def _mac(self, padded: bytes, iv: bytes) -> bytes:
        return retail_mac(self._token, self._keys.mac_left, self._keys.mac, padded, iv)


def session_keys(token: OpenToken, static: StaticKeys, sequence: bytes) -> SessionKeys02:
    """The session keys of a card at this counter (E.4.1)."""
    mac, mac_left = _mac_keys(token, static.mac, sequence)
    return SessionKeys02(
        enc=_session_key(token, static.enc, scp02.DERIVE_ENC, sequence),
        mac=mac,
        mac_left=mac_left,
        dek=_session_key(token, static.dek, scp02.DERIVE_DEK, sequence),
    )


def card_challenge(token: OpenToken, static: StaticKeys, sequence: bytes, security_domain: bytes) -> bytes:
    """The 6 bytes that an i=55 card will choose at this counter."""
    mac, left = _mac_keys(token, static.mac, sequence)
    padded = scp02.card_challenge_data(security_domain)
    return retail_mac(token, left, mac, padded, bytes(scp02.BLOCK))[:_CHALLENGE_LENGTH]


def retail_mac(token: OpenToken, left: Handle, whole: Handle, padded: bytes, iv: bytes) -> bytes:
    """ISO/IEC 9797-1 MAC algorithm 3 over whole blocks: the left half chains, the whole key ends."""
    head = padded[:-8]
    chain = token.encipher(left, TDES, head, iv)[-8:] if head else iv
    return token.encipher(whole, TDES, xor(padded[-8:], chain))


def card_kcv(keys: CardKeys, key: CardKey) -> bytes:
    """The check value of a card key that is being exported."""
    card = keys.card(key, Operation.EXPORT_CARD_KEY)
    cipher = keys.cipher(key)
    return keys.token.public(card, cipher, bytes(cipher.block))[:KCV_LENGTH]


def _session_key(token: OpenToken, static: Handle, constant: bytes, sequence: bytes) -> Handle:
    data = scp02.session_key_data(constant, sequence)
    return token.derive_by_cbc(static, data, session_key(TDES, Use.ENCIPHER, _KEY_LENGTH))


def _mac_keys(token: OpenToken, static: Handle, sequence: bytes) -> tuple[Handle, Handle]:
    """The C-MAC key, and its left half twice over: the first block of its derivation, enciphered twice alike."""
    first = scp02.session_key_data(scp02.DERIVE_C_MAC, sequence)[: scp02.BLOCK]
    left = token.child(static, TDES, first * 2, Use.ENCIPHER)
    return _session_key(token, static, scp02.DERIVE_C_MAC, sequence), left
