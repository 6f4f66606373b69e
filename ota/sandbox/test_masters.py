"""The sandbox's published master keys, so that a strange card can be personalised for tests.

The rule is written down again here: whoever personalises a card by it shares no line with the product.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Final

KEY_LENGTHS: Final[Mapping[str, int]] = {"3DES": 16, "SM4": 16, "AES-128": 16, "AES-192": 24, "AES-256": 32}


def published_master(role: str, algorithm: str) -> bytes:
    """The test master of a role such as "load" and an algorithm such as "3DES"; KeyError for another algorithm.

    >>> published_master("load", "SM4").hex()[:8]
    '0effdb61'
    """
    length = KEY_LENGTHS[algorithm]
    return sha256(f"OTA SANDBOX TEST KEY {role} {algorithm}".encode()).digest()[:length]


def card_masters(factors: Sequence[bytes]) -> dict[str, dict[str, object]]:
    """What `ota-sandbox cardkeys --json` prints: load and TAC master per algorithm and the card's factors, in hex."""
    return {
        name.lower(): {
            "load_master": published_master("load", name).hex().upper(),
            "tac_master": published_master("tac", name).hex().upper(),
            "factors": [factor.hex().upper() for factor in factors],
        }
        for name in ("3DES", "SM4")
    }
