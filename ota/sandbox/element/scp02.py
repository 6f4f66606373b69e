"""Secure Channel Protocol 02 on the card, options i=15 and i=55 (GP Card Spec 2.3.1 appendix E)."""

from __future__ import annotations

from ota.sandbox.element import crypto
from ota.sandbox.element.apdu import MAC_BIT, Command
from ota.sandbox.element.channel import C_DECRYPTION, C_MAC, MAC_LENGTH, Opening
from ota.sandbox.element.status import (
    AUTHENTICATION_FAILED,
    SECURITY_NOT_SATISFIED,
    WRONG_LENGTH,
    WRONG_P1P2,
    needed,
    require,
)

PSEUDO_RANDOM = 0x40
"""Bit of i: the card challenge can be known beforehand (E.1.1 table E-1)."""

LEVELS = (0, C_MAC, C_MAC | C_DECRYPTION)
_ENC, _MAC, _DEK = b"\x01\x82", b"\x01\x01", b"\x01\x81"  # derivation constants, E.4.1


def session_key(static: bytes, constant: bytes, counter: int) -> bytes:
    """Derive a session key from a static key and the sequence counter (E.4.1)."""
    data = constant + counter.to_bytes(2, "big") + bytes(12)
    return crypto.encrypt(crypto.des(static), data, bytes(crypto.DES_BLOCK))


def pseudo_random_challenge(mac_key: bytes, aid: bytes) -> bytes:
    """Six bytes of a MAC over the padded AID under the session's C-MAC key (E.4.2.3)."""
    return crypto.retail_mac(mac_key, aid)[:6]


class Scp02:
    """One session; see `channel.SecureChannel`."""

    def __init__(self, opening: Opening) -> None:
        self.level: int | None = None
        self._enc = session_key(opening.keys.enc, _ENC, opening.counter)
        self._mac = session_key(opening.keys.mac, _MAC, opening.counter)
        self._dek = session_key(opening.keys.dek, _DEK, opening.counter)
        self._host = opening.host_challenge
        challenge = (
            pseudo_random_challenge(self._mac, opening.aid)
            if opening.i & PSEUDO_RANDOM
            else opening.random(6)
        )
        self._card = opening.counter.to_bytes(2, "big") + challenge
        self._last_mac = bytes(MAC_LENGTH)

    @property
    def answer(self) -> bytes:
        """Protocol, sequence counter, card challenge and card cryptogram (E.5.1.6)."""
        return b"\x02" + self._card + self._cryptogram(self._host + self._card)

    def authenticate(self, command: Command) -> None:
        """Take EXTERNAL AUTHENTICATE (E.5.2); its own MAC starts from zeros."""
        require(command.p1 in LEVELS and command.p2 == 0, WRONG_P1P2)
        require(len(command.data) == 16, WRONG_LENGTH)
        cryptogram, mac = command.data[:8], command.data[8:]
        self._check_mac(command, cryptogram, mac, bytes(MAC_LENGTH))
        require(crypto.same(cryptogram, self._cryptogram(self._card + self._host)), AUTHENTICATION_FAILED)
        self.level = command.p1

    def unwrap(self, command: Command) -> Command:
        """Decipher, then check the C-MAC, which covers the plain data under the new class and length (E.4.4, E.4.6)."""
        level = self.level or 0
        require(len(command.data) >= MAC_LENGTH, SECURITY_NOT_SATISFIED)
        body, mac = command.data[:-MAC_LENGTH], command.data[-MAC_LENGTH:]
        plain = self._deciphered(body) if level & C_DECRYPTION and body else body
        icv = crypto.encrypt(crypto.des(self._mac[:8]), self._last_mac)
        self._check_mac(command, plain, mac, icv)
        return Command(command.cla & ~MAC_BIT, command.ins, command.p1, command.p2, plain, command.le)

    def wrap(self, data: bytes, sw: int) -> bytes:
        """Answers travel plain: neither option has an R-MAC (E.1.1)."""
        return data + sw.to_bytes(2, "big")

    def decipher(self, data: bytes) -> bytes:
        """Triple DES, ECB, under the session's data encryption key (E.4.7)."""
        require(len(data) % crypto.DES_BLOCK == 0, SECURITY_NOT_SATISFIED)
        return crypto.decrypt(crypto.des(self._dek), data)

    def _cryptogram(self, data: bytes) -> bytes:
        return crypto.cbc_mac(crypto.des(self._enc), data, crypto.DES_BLOCK)  # E.4.2

    def _deciphered(self, body: bytes) -> bytes:
        require(len(body) % crypto.DES_BLOCK == 0, SECURITY_NOT_SATISFIED)
        plain = crypto.decrypt(crypto.des(self._enc), body, bytes(crypto.DES_BLOCK))
        return needed(crypto.unpad(plain), SECURITY_NOT_SATISFIED)

    def _check_mac(self, command: Command, plain: bytes, mac: bytes, icv: bytes) -> None:
        message = command.header + bytes((len(plain) + MAC_LENGTH,)) + plain
        require(crypto.same(crypto.retail_mac(self._mac, message, icv), mac), SECURITY_NOT_SATISFIED)
        self._last_mac = mac
