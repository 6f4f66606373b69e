"""Which keys are too weak to be anybody's secret."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Final

from ota.card.keys import Algorithm
from ota.hsm_adapter.software.ciphers import Key

_WEAK_DES: Final = frozenset(
    bytes.fromhex(value)
    for value in (
        # NIST SP 800-67 2.0, 3.3.2: the four weak and the twelve semi-weak keys
        *("0101010101010101", "FEFEFEFEFEFEFEFE", "E0E0E0E0F1F1F1F1", "1F1F1F1F0E0E0E0E"),
        *("011F011F010E010E", "1F011F010E010E01", "01E001E001F101F1", "E001E001F101F101"),
        *("01FE01FE01FE01FE", "FE01FE01FE01FE01", "1FE01FE00EF10EF1", "E01FE01FF10EF10E"),
        *("1FFE1FFE0EFE0EFE", "FE1FFE1FFE0EFE0E", "E0FEE0FEF1FEF1FE", "FEE0FEE0FEF1FEF1"),
    )
)


def weakness(algorithm: Algorithm, key: Key) -> str | None:
    """Why a key of the algorithm's length is too weak for any use, or None. Parity bits do not count."""
    value = bytes(key)
    if len(set(value)) == 1:
        return "one byte repeated"
    if algorithm is not Algorithm.TDES:
        return None
    left, right = _odd_parity(value[:8]), _odd_parity(value[8:])
    if left == right:
        return "equal halves: single DES"
    if left in _WEAK_DES or right in _WEAK_DES:
        return "a weak or semi-weak DES key"
    return None


def guessable(algorithm: Algorithm) -> Iterator[bytes]:
    """The weak keys that are few enough to be tried one by one."""
    yield from (bytes([value]) * algorithm.key_length for value in range(256))
    if algorithm is Algorithm.TDES:
        yield from (left + right for left, right in product(sorted(_WEAK_DES), repeat=2))


def _odd_parity(half: bytes) -> bytes:
    return bytes(byte & 0xFE | ((byte >> 1).bit_count() + 1) % 2 for byte in half)
