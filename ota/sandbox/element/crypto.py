"""The card's own cryptography, from single cipher blocks upwards; nothing here is shared with the product."""

from __future__ import annotations

import hmac

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import BlockCipherAlgorithm, Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES, SM4
from cryptography.hazmat.primitives.cmac import CMAC

DES_BLOCK = 8
WIDE_BLOCK = 16
"""Block of AES and of SM4, bytes."""


def des(key: bytes) -> TripleDES:
    """DES with a key of 8 bytes, two-key triple DES with one of 16; written out to 24 bytes."""
    return TripleDES(key * 3 if len(key) == DES_BLOCK else key + key[:DES_BLOCK])


def aes(key: bytes) -> AES:
    """AES with a key of 16, 24 or 32 bytes."""
    return AES(key)


def sm4(key: bytes) -> SM4:
    """SM4, GM/T 0002, with a key of 16 bytes."""
    return SM4(key)


def encrypt(cipher: BlockCipherAlgorithm, data: bytes, iv: bytes | None = None) -> bytes:
    """Whole blocks, ECB without and CBC with an initial vector."""
    run = Cipher(cipher, modes.ECB() if iv is None else modes.CBC(iv)).encryptor()
    return run.update(data) + run.finalize()


def decrypt(cipher: BlockCipherAlgorithm, data: bytes, iv: bytes | None = None) -> bytes:
    """Whole blocks, ECB without and CBC with an initial vector."""
    run = Cipher(cipher, modes.ECB() if iv is None else modes.CBC(iv)).decryptor()
    return run.update(data) + run.finalize()


def pad(data: bytes, block: int) -> bytes:
    """Append 80 and as many zeros as fill the block, a whole block when it was full (ISO/IEC 9797-1 method 2)."""
    return data + b"\x80" + bytes(-(len(data) + 1) % block)


def unpad(data: bytes) -> bytes | None:
    """Take the padding off again; None when there is none."""
    stripped = data.rstrip(b"\x00")
    return stripped[:-1] if stripped.endswith(b"\x80") else None


def cbc_mac(cipher: BlockCipherAlgorithm, data: bytes, block: int, iv: bytes = b"") -> bytes:
    """The last block of CBC over the padded data (ISO/IEC 9797-1 algorithm 1); zeros stand for no initial vector."""
    return encrypt(cipher, pad(data, block), iv or bytes(block))[-block:]


def retail_mac(key: bytes, data: bytes, iv: bytes = bytes(DES_BLOCK)) -> bytes:
    """Single DES over all blocks, the last one finished by triple DES (ISO/IEC 9797-1 algorithm 3), 8 bytes."""
    left, right = key[:8], key[8:16]
    last = cbc_mac(des(left), data, DES_BLOCK, iv)
    return encrypt(des(left), decrypt(des(right), last))


def cmac(key: bytes, data: bytes) -> bytes:
    """AES-CMAC (NIST SP 800-38B), 16 bytes."""
    mac = CMAC(AES(key))
    mac.update(data)
    return mac.finalize()


def xor(left: bytes, right: bytes) -> bytes:
    """Bit by bit."""
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


def invert(data: bytes) -> bytes:
    """NOT of every bit."""
    return bytes(byte ^ 0xFF for byte in data)


def same(left: bytes, right: bytes) -> bool:
    """Compare in constant time, as a card does."""
    return hmac.compare_digest(left, right)
