"""Secure Channel Protocol 03 on the card, with 8-byte MACs (GP Card Spec 2.3 Amendment D 1.1.2)."""

from __future__ import annotations

from ota.sandbox.element import crypto
from ota.sandbox.element.apdu import MAC_BIT, Command
from ota.sandbox.element.channel import (
    C_DECRYPTION,
    C_MAC,
    MAC_LENGTH,
    R_ENCRYPTION,
    R_MAC,
    Opening,
)
from ota.sandbox.element.status import (
    AUTHENTICATION_FAILED,
    OK,
    SECURITY_NOT_SATISFIED,
    WRONG_LENGTH,
    WRONG_P1P2,
    needed,
    require,
)

# Bits of i, 5.1 table 5-1.
PSEUDO_RANDOM = 0x10
WITH_R_MAC = 0x20
WITH_R_ENCRYPTION = 0x40

# Derivation constants, 4.1.5 table 4-1.
_CARD_CRYPTOGRAM, _HOST_CRYPTOGRAM, _CARD_CHALLENGE = 0x00, 0x01, 0x02
_S_ENC, _S_MAC, _S_RMAC = 0x04, 0x06, 0x07


def derive(key: bytes, constant: int, length: int, context: bytes) -> bytes:
    """Derive `length` bytes by CMAC in counter mode (4.1.5; NIST SP 800-108)."""
    label = bytes(11) + bytes((constant, 0)) + (length * 8).to_bytes(2, "big")
    blocks = (crypto.cmac(key, label + bytes((number,)) + context) for number in (1, 2))
    return b"".join(blocks)[:length]


def pseudo_random_challenge(enc_key: bytes, counter: int, aid: bytes) -> bytes:
    """Eight bytes from the static ENC key, the sequence counter and the AID that is spoken to (6.2.2.1)."""
    return derive(enc_key, _CARD_CHALLENGE, 8, counter.to_bytes(3, "big") + aid)


def levels(i: int) -> tuple[int, ...]:
    """The security levels that an option byte allows (7.1.2.2)."""
    found = [0, C_MAC, C_MAC | C_DECRYPTION]
    if i & WITH_R_MAC:
        found += [C_MAC | R_MAC, C_MAC | C_DECRYPTION | R_MAC]
    if i & WITH_R_MAC and i & WITH_R_ENCRYPTION:
        found.append(C_MAC | C_DECRYPTION | R_MAC | R_ENCRYPTION)
    return tuple(found)


class Scp03:
    """One session; see `channel.SecureChannel`."""

    def __init__(self, opening: Opening) -> None:
        self.level: int | None = None
        self._i = opening.i
        self._dek = opening.keys.dek
        self._sequence = opening.counter.to_bytes(3, "big") if opening.i & PSEUDO_RANDOM else b""
        self._challenge = (
            pseudo_random_challenge(opening.keys.enc, opening.counter, opening.aid)
            if self._sequence
            else opening.random(8)
        )
        self._context = opening.host_challenge + self._challenge
        size = len(opening.keys.enc)
        self._enc = derive(opening.keys.enc, _S_ENC, size, self._context)
        self._mac = derive(opening.keys.mac, _S_MAC, size, self._context)
        self._response_mac = derive(opening.keys.mac, _S_RMAC, size, self._context)
        self._chaining = bytes(crypto.WIDE_BLOCK)
        self._commands = 0

    @property
    def answer(self) -> bytes:
        """Protocol, option byte, card challenge, card cryptogram and the sequence counter in use (7.1.1.6)."""
        cryptogram = derive(self._mac, _CARD_CRYPTOGRAM, 8, self._context)
        return bytes((3, self._i)) + self._challenge + cryptogram + self._sequence

    def authenticate(self, command: Command) -> None:
        """Take EXTERNAL AUTHENTICATE (7.1.2); the MAC chaining value starts as zeros."""
        require(command.p1 in levels(self._i) and command.p2 == 0, WRONG_P1P2)
        require(len(command.data) == 16, WRONG_LENGTH)
        self._check_mac(command)
        expected = derive(self._mac, _HOST_CRYPTOGRAM, 8, self._context)
        require(crypto.same(command.data[:8], expected), AUTHENTICATION_FAILED)
        self.level = command.p1

    def unwrap(self, command: Command) -> Command:
        """Check the C-MAC, which covers what was sent, then decipher (6.2.4, 6.2.6)."""
        level = self.level or 0
        self._commands += 1  # counts commands without data too, 6.2.6
        require(len(command.data) >= MAC_LENGTH, SECURITY_NOT_SATISFIED)
        self._check_mac(command)
        body = command.data[:-MAC_LENGTH]
        plain = self._deciphered(body) if level & C_DECRYPTION and body else body
        return Command(command.cla & ~MAC_BIT, command.ins, command.p1, command.p2, plain, command.le)

    def wrap(self, data: bytes, sw: int) -> bytes:
        """Encipher, then MAC (6.2.5, 6.2.7); an error is its status word alone, without an R-MAC."""
        level = self.level or 0
        status = sw.to_bytes(2, "big")
        if not level & R_MAC or not _is_success_or_warning(sw):
            return data + status
        if level & R_ENCRYPTION and data:
            icv = self._counter_block(0x80)
            data = crypto.encrypt(crypto.aes(self._enc), crypto.pad(data, crypto.WIDE_BLOCK), icv)
        mac = crypto.cmac(self._response_mac, self._chaining + data + status)[:MAC_LENGTH]
        return data + mac + status

    def decipher(self, data: bytes) -> bytes:
        """AES-CBC with an initial vector of zeros under the static key encryption key (6.2.8)."""
        require(len(data) % crypto.WIDE_BLOCK == 0, SECURITY_NOT_SATISFIED)
        return crypto.decrypt(crypto.aes(self._dek), data, bytes(crypto.WIDE_BLOCK))

    def _deciphered(self, body: bytes) -> bytes:
        require(len(body) % crypto.WIDE_BLOCK == 0, SECURITY_NOT_SATISFIED)
        plain = crypto.decrypt(crypto.aes(self._enc), body, self._counter_block(0))
        return needed(crypto.unpad(plain), SECURITY_NOT_SATISFIED)

    def _counter_block(self, first_byte: int) -> bytes:
        """The initial vector of this command, or with 80 in front of its answer (6.2.6, 6.2.7)."""
        block = bytes((first_byte,)) + self._commands.to_bytes(15, "big")
        return crypto.encrypt(crypto.aes(self._enc), block)

    def _check_mac(self, command: Command) -> None:
        body, mac = command.data[:-MAC_LENGTH], command.data[-MAC_LENGTH:]
        message = command.header + bytes((len(command.data),)) + body
        chaining = crypto.cmac(self._mac, self._chaining + message)
        require(crypto.same(chaining[:MAC_LENGTH], mac), SECURITY_NOT_SATISFIED)
        self._chaining = chaining


def _is_success_or_warning(sw: int) -> bool:
    return sw == OK or sw >> 8 in (0x62, 0x63)
