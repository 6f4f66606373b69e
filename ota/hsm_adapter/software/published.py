"""Keys that everybody knows: the sandbox's masters by their rule, and those of public documents and vectors."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from typing import Final

from ota.card.keys import Algorithm, KeyRole
from ota.hsm_adapter.software.ciphers import Key
from ota.hsm_adapter.software.weakness import guessable

_RULE: Final = "OTA SANDBOX TEST KEY {role} {algorithm}"

_GLOBALPLATFORM: Final = bytes(range(0x40, 0x60))
"""404142..5F: the test key of GlobalPlatform cards, as long as the algorithm wants it."""

_VECTORS: Final = tuple(
    bytes.fromhex(value)
    for value in (
        # e-purse vectors and GM/T 0002
        "0123456789ABCDEFFEDCBA9876543210",
        "89ABCDEF0123456776543210FEDCBA98",
        "11223344556677888877665544332211",
        "374598B5C0B0EAE1E1D06609AC5BB369",
        "CAA6025290114BFCC3C9043F70F7A07A",
        "D03A01624D2E0255E5CE47218BA45DC8",
        "FE43601E47B93FC500099AA0A17D1554",
        "6474215EF549707831BB8DB9895FD48A",
        # GlobalPlatform sessions, their first 16 bytes
        "000102030405060708090A0B0C0D0E0F",
        "101112131415161718191A1B1C1D1E1F",
        "202122232425262728292A2B2C2D2E2F",
        "100102030405060708090A0B0C0D0E0F",
        "101102030405060708090A0B0C0D0E0F",
        "102102030405060708090A0B0C0D0E0F",
        "F995D0A069335C7DF42E590317FFEA6D",
        "58563362EC5A4541ABCD32B34B1EAE7D",
        "0A02A6D687406DCFA09DC70B3EDB7E38",
        "DE2A3629CBC24E8D8869E82C8B4C0D87",
        "8C72C72CF908411653018807950D82FB",
    )
)


def sandbox_master(role: KeyRole, algorithm: Algorithm) -> bytes:
    """The published master of a role: the first bytes of a SHA-256 over a sentence that says what it is."""
    text = _RULE.format(role=role.value, algorithm=algorithm.value)
    return sha256(text.encode()).digest()[: algorithm.key_length]


def globalplatform_key(algorithm: Algorithm) -> bytes:
    """GlobalPlatform's test key, 40 upwards."""
    return _GLOBALPLATFORM[: algorithm.key_length]


def is_published(key: Key) -> bool:
    """Whether everybody may know the key, judged by its first 16 bytes."""
    return bytes(key[:16]) in _known()


@cache
def published_keys(algorithm: Algorithm) -> frozenset[bytes]:
    """Every key that one would try first, whole: for a token, which shows blocks and no key."""
    masters = (sandbox_master(role, algorithm) for role in KeyRole)
    vectors = _VECTORS if algorithm.key_length == len(_VECTORS[0]) else ()
    return frozenset((*masters, *vectors, globalplatform_key(algorithm), *guessable(algorithm)))


@cache
def _known() -> frozenset[bytes]:
    masters = (sandbox_master(role, algorithm)[:16] for role in KeyRole for algorithm in Algorithm)
    return frozenset((*masters, *_VECTORS, _GLOBALPLATFORM[:16]))
