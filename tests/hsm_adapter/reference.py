"""The e-purse's cryptography once more, in the plainest way: ECB blocks, loops and XOR, nothing kept or shared.

It shares no line with the product, so that a mistake must be made twice, in two ways, to stay unseen.
"""

from __future__ import annotations

from collections.abc import Sequence

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import SM4


def des(key: bytes, block: bytes) -> bytes:
    return Cipher(TripleDES(key * 3), modes.ECB()).encryptor().update(block)  # noqa: S305  one block is what a card enciphers


def undes(key: bytes, block: bytes) -> bytes:
    return Cipher(TripleDES(key * 3), modes.ECB()).decryptor().update(block)  # noqa: S305  one block is what a card enciphers


def tdes(key: bytes, block: bytes) -> bytes:
    return des(key[:8], undes(key[8:], des(key[:8], block)))


def sm4(key: bytes, block: bytes) -> bytes:
    return Cipher(SM4(key), modes.ECB()).encryptor().update(block)  # noqa: S305  one block is what a card enciphers


def xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


def inverted(data: bytes) -> bytes:
    return bytes(byte ^ 0xFF for byte in data)


def padded(data: bytes, block: int) -> bytes:
    data += b"\x80"
    while len(data) % block:
        data += b"\x00"
    return data


def blocks(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def diversified(algorithm: str, key: bytes, factors: Sequence[bytes]) -> bytes:
    for factor in factors:
        if algorithm == "3DES":
            key = tdes(key, factor) + tdes(key, inverted(factor))
        else:
            key = sm4(key, factor + inverted(factor))
    return key


def session_key(algorithm: str, key: bytes, random: bytes, counter: bytes) -> bytes:
    seed = random + counter + b"\x80\x00"
    return tdes(key, seed) if algorithm == "3DES" else sm4(key, seed + inverted(seed))


def trade_mac(algorithm: str, key: bytes, data: bytes) -> bytes:
    """CBC-MAC with zero IV: single DES with an 8-byte key, or SM4."""
    size = 8 if algorithm == "3DES" else 16
    chain = bytes(size)
    for block in blocks(padded(data, size), size):
        chain = des(key, xor(block, chain)) if algorithm == "3DES" else sm4(key, xor(block, chain))
    return chain[:4]


def tac_key(algorithm: str, key: bytes) -> bytes:
    return xor(key[:8], key[8:]) if algorithm == "3DES" else key


def command_mac(algorithm: str, key: bytes, random: bytes, message: bytes) -> bytes:
    if algorithm == "SM4":
        chain = random + bytes(16 - len(random))
        for block in blocks(padded(message, 16), 16):
            chain = sm4(key, xor(block, chain))
        return chain[:4]
    chain = random + bytes(8 - len(random))
    for block in blocks(padded(message, 8), 8):
        chain = des(key[:8], xor(block, chain))
    return des(key[:8], undes(key[8:], chain))[:4]
