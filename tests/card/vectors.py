"""The e-purse vectors, and the few ciphers that show whether the right bytes are MACed; for tests only."""

import json
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from ota.card.purse import Load, LoadAnswer
from ota.core.values import CardTime, Fen, Mac4

VECTORS: Final[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "epurse.json").read_text()
)
LOADS: Final[list[dict[str, str]]] = VECTORS["load"]


def answer_of(vector: dict[str, str]) -> bytes:
    """The 16 bytes with which that card answered INITIALIZE FOR LOAD, key version 01."""
    algorithm = "04" if vector["alg"] == "SM4" else "00"
    return bytes.fromhex(vector["bal"] + vector["atc"] + "01" + algorithm + vector["rand"] + vector["MAC1"])


def load_of(vector: dict[str, str]) -> Load:
    """The load of a vector."""
    return Load(
        amount=Fen(int(vector["amount"], 16)),
        terminal=bytes.fromhex(vector["term"]),
        answer=LoadAnswer.parse(answer_of(vector)),
        at=CardTime(vector["dt"]),
        transaction_type=int(vector["type"], 16),
    )


def session_key(algorithm: str, load_key: bytes, seed: bytes) -> bytes:
    """CARD.md 2.3."""
    if algorithm == "SM4":
        return _sm4(load_key, seed + bytes(byte ^ 0xFF for byte in seed))
    return _triple_des(load_key, seed)


def mac(algorithm: str, key: bytes, data: bytes) -> Mac4:
    """CARD.md 2.5: CBC-MAC over data padded with 80, leftmost 4 bytes."""
    size = 16 if algorithm == "SM4" else 8
    padded = data + b"\x80" + bytes(-(len(data) + 1) % size)
    block = bytes(size)
    for start in range(0, len(padded), size):
        mixed = bytes(a ^ b for a, b in zip(block, padded[start : start + size], strict=True))
        block = _sm4(key, mixed) if algorithm == "SM4" else _triple_des(key, mixed)
    return Mac4(block[:4])


def tac_key(algorithm: str, key: bytes) -> bytes:
    """CARD.md 2.4: 3DES folds its halves, SM4 takes the key as it is."""
    if algorithm == "SM4":
        return key
    return bytes(a ^ b for a, b in zip(key[:8], key[8:], strict=True))


def _triple_des(key: bytes, block: bytes) -> bytes:
    whole = key * 3 if len(key) == 8 else key + key[:8]
    return Cipher(TripleDES(whole), modes.ECB()).encryptor().update(block)  # noqa: S305  one block is the standard


def _sm4(key: bytes, block: bytes) -> bytes:
    return Cipher(algorithms.SM4(key), modes.ECB()).encryptor().update(block)  # noqa: S305  as above
