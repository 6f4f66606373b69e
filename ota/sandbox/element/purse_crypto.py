"""Session keys, MACs and TACs of the e-purse in 3DES and SM4 (CARD.md 2.3 to 2.6)."""

from __future__ import annotations

from enum import StrEnum

from ota.sandbox.element import crypto


class Algorithm(StrEnum):
    """The two algorithms of a purse key."""

    TDES = "3des"
    SM4 = "sm4"


def session_key(algorithm: Algorithm, key: bytes, seed: bytes) -> bytes:
    """Key of one load or purchase from 8 bytes of seed: 8 bytes for 3DES, 16 for SM4."""
    if algorithm is Algorithm.TDES:
        return crypto.encrypt(crypto.des(key), seed)
    return crypto.encrypt(crypto.sm4(key), seed + crypto.invert(seed))


def tac_key(algorithm: Algorithm, key: bytes, *, sm4_xor: bool) -> bytes:
    """Key of the TAC: the halves folded into 8 bytes for 3DES, the key itself for SM4 unless told to fold."""
    folded = crypto.xor(key[:8], key[8:])
    if algorithm is Algorithm.TDES:
        return folded
    return folded + folded if sm4_xor else key


def transaction_mac(algorithm: Algorithm, key: bytes, data: bytes) -> bytes:
    """Four bytes of CBC-MAC: single DES under 8 bytes, SM4 under 16."""
    if algorithm is Algorithm.TDES:
        return crypto.cbc_mac(crypto.des(key), data, crypto.DES_BLOCK)[:4]
    return crypto.cbc_mac(crypto.sm4(key), data, crypto.WIDE_BLOCK)[:4]


def command_mac(algorithm: Algorithm, key: bytes, random: bytes, message: bytes) -> bytes:
    """MAC of a command: header, length with the MAC counted in, data; the initial vector is the card's random."""
    if algorithm is Algorithm.TDES:
        return crypto.retail_mac(key, message, random[:4].ljust(crypto.DES_BLOCK, b"\x00"))[:4]
    iv = random[:4].ljust(crypto.WIDE_BLOCK, b"\x00")
    return crypto.cbc_mac(crypto.sm4(key), message, crypto.WIDE_BLOCK, iv)[:4]


def authentication(algorithm: Algorithm, key: bytes, random: bytes) -> bytes:
    """What EXTERNAL AUTHENTICATE must send, 8 bytes (CARD.md 1.2)."""
    if algorithm is Algorithm.TDES:
        return crypto.encrypt(crypto.des(key), random.ljust(crypto.DES_BLOCK, b"\x00"))
    answer = crypto.encrypt(crypto.sm4(key), random.ljust(crypto.WIDE_BLOCK, b"\x00"))
    return crypto.xor(answer[:8], answer[8:])


def decipher(algorithm: Algorithm, key: bytes, data: bytes) -> bytes:
    """Whole blocks, ECB."""
    return crypto.decrypt(crypto.des(key) if algorithm is Algorithm.TDES else crypto.sm4(key), data)


def block_length(algorithm: Algorithm) -> int:
    """Bytes of a cipher block."""
    return crypto.DES_BLOCK if algorithm is Algorithm.TDES else crypto.WIDE_BLOCK


def check_value(algorithm: Algorithm, key: bytes) -> bytes:
    """Three bytes of the cipher over zeros (CARD.md 2.6)."""
    cipher = crypto.des(key) if algorithm is Algorithm.TDES else crypto.sm4(key)
    return crypto.encrypt(cipher, bytes(block_length(algorithm)))[:3]
