"""Block ciphers as the card uses them: contexts made once and kept, MACs, check values; ephemeral keys are wiped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES, SM4
from cryptography.hazmat.primitives.cmac import CMAC
from cryptography.hazmat.primitives.kdf.kbkdf import KBKDFCMAC, CounterLocation, Mode

from ota.card.globalplatform.protection import pad
from ota.card.globalplatform.scp03 import COUNTER_POSITION
from ota.card.keys import Algorithm

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers import BlockCipherAlgorithm, CipherContext

Key = bytes | bytearray

KCV_LENGTH: Final = 3
MAC_LENGTH: Final = 4
_ROOM: Final = 15
"""`update_into` wants room for one block more, less a byte."""

_ECB: Final = modes.ECB()
_ZERO_IV: Final = {8: modes.CBC(bytes(8)), 16: modes.CBC(bytes(16))}
_SINGLE_DES: Final = 8
_AES_CHECK_BLOCK: Final = b"\x01" * 16  # GP 2.3.1 B.4; Amendment D 1.1.2, 4.1.3


def wipe(*buffers: bytearray) -> None:
    """Overwrite ephemeral keys with zeros."""
    for buffer in buffers:
        buffer[:] = bytes(len(buffer))


def block_cipher(algorithm: Algorithm, key: Key) -> CipherContext:
    """An ECB encryptor that may be kept for many blocks, by one thread. An 8-byte 3DES key means single DES."""
    return _context(algorithm, key, _ECB)


def encipher_cbc(algorithm: Algorithm, key: Key, data: Key, iv: bytes | None = None) -> bytes:
    """CBC over whole blocks; the IV is zero unless given."""
    mode = _ZERO_IV[algorithm.block_length] if iv is None else modes.CBC(iv)
    return _context(algorithm, key, mode).update(data)


def decipher_aes_cbc(key: Key, data: bytes, iv: bytes) -> bytes:
    """AES-CBC back over whole blocks, as an answer of SCP03 needs it."""
    return Cipher(AES(key), modes.CBC(iv)).decryptor().update(data)


def decipher_into(key: Key, data: bytes, iv: bytes) -> bytearray:
    """The same into a buffer that can be wiped, for what holds a key."""
    out = bytearray(len(data) + _ROOM)
    written = Cipher(AES(key), modes.CBC(iv)).decryptor().update_into(data, out)
    del out[written:]
    return out


class CbcMac:
    """CBC-MAC with zero IV, padding 80 00.., 4 leftmost bytes of the last block (CARD.md 2.5).

    One context serves several messages: the block that it chains from is cancelled out of the next first block,
    which costs an XOR where a new context costs 4 microseconds.
    """

    def __init__(self, algorithm: Algorithm, key: Key) -> None:
        self._block = algorithm.block_length
        self._context = _context(algorithm, key, _ZERO_IV[self._block])
        self._last = bytes(self._block)

    def mac(self, data: bytes, iv: bytes | None = None) -> bytes:
        """The 4-byte MAC of one message; an IV other than zero is one block."""
        padded = pad(data, self._block)
        return self.last_block(padded, iv)[:MAC_LENGTH]

    def last_block(self, padded: bytes, iv: bytes | None = None) -> bytes:
        """The last cipher block over a message of whole blocks."""
        first = xor(padded[: self._block], self._last)
        if iv is not None:
            first = xor(first, iv)
        self._last = self._context.update(first + padded[self._block :])[-self._block :]
        return self._last


class RetailMac:
    """ISO/IEC 9797-1 MAC algorithm 3 with DES: chaining with the left half of the key, 3DES over the last block."""

    def __init__(self, key: Key) -> None:
        left = bytearray(memoryview(key)[:_SINGLE_DES])
        self._left = CbcMac(Algorithm.TDES, left)
        self._whole = block_cipher(Algorithm.TDES, key)
        wipe(left)

    def mac(self, padded: bytes, iv: bytes = bytes(8)) -> bytes:
        """The whole 8-byte MAC over a message of whole blocks."""
        head, last = padded[:-8], padded[-8:]
        chain = self._left.last_block(head, iv) if head else iv
        return self._whole.update(xor(last, chain))

    def encipher_left(self, block: bytes) -> bytes:
        """One block under single DES with the left half, as SCP02 enciphers an ICV (GP 2.3.1 E.3.4)."""
        return self._left.last_block(block)


def cmac(key: Key, data: Key) -> bytes:
    """AES-CMAC, all 16 bytes (NIST SP 800-38B)."""
    mac = CMAC(AES(key))
    mac.update(cast(bytes, data))
    return mac.finalize()


def derive_by_cmac(key: Key, data: bytes, length: int, counter_at: int = COUNTER_POSITION) -> bytearray:
    """``length`` bytes by the KDF of NIST SP 800-108 with AES-CMAC in counter mode, one counter byte put into the data.

    The counter's place is that of SCP03 unless given (Amendment D 1.1.2, 4.1.5).
    """
    out = bytearray(length)
    kdf = KBKDFCMAC(
        AES,
        Mode.CounterMode,
        length,
        1,
        None,
        CounterLocation.MiddleFixed,
        None,
        None,
        data,
        break_location=counter_at,
    )
    kdf.derive_into(key, out)
    return out


def check_value(algorithm: Algorithm, key: Key) -> bytes:
    """The 3-byte check value: the cipher over zeros, for AES over 01-bytes."""
    block = _AES_CHECK_BLOCK if algorithm.value.startswith("AES") else bytes(algorithm.block_length)
    return block_cipher(algorithm, key).update(block)[:KCV_LENGTH]


def derive_into(context: CipherContext, data: bytes) -> bytearray:
    """The cipher over whole blocks, into a buffer that can be wiped."""
    out = bytearray(len(data) + _ROOM)
    written = context.update_into(data, out)
    del out[written:]
    return out


def xor(left: bytes, right: bytes) -> bytes:
    """Bytewise XOR of two values of one length."""
    return (int.from_bytes(left, "big") ^ int.from_bytes(right, "big")).to_bytes(len(left), "big")


def _context(algorithm: Algorithm, key: Key, mode: modes.ECB | modes.CBC) -> CipherContext:
    if algorithm is not Algorithm.TDES:
        return Cipher(_cipher(algorithm, key), mode).encryptor()
    expanded = _expanded(key)
    context = Cipher(TripleDES(cast(bytes, expanded)), mode).encryptor()
    wipe(expanded)
    return context


def _expanded(key: Key) -> bytearray:
    """24 bytes: shorter 3DES keys are accepted with a warning only (HSM.md). K|K|K is single DES.

    Copied into place: a slice or a sum of keys would leave a copy behind that nobody wipes.
    """
    expanded = bytearray(24)
    if len(key) == _SINGLE_DES:
        expanded[:8] = expanded[8:16] = expanded[16:] = key
    else:
        expanded[:16] = key
        memoryview(expanded)[16:] = memoryview(key)[:8]
    return expanded


def _cipher(algorithm: Algorithm, key: Key) -> BlockCipherAlgorithm:
    # Both take any buffer, though SM4's and 3DES's annotations say bytes only.
    return SM4(cast(bytes, key)) if algorithm is Algorithm.SM4 else AES(key)
