"""Where the card's random numbers come from: true, repeatable from a seed, or a bad card's fixed one."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable

Random = Callable[[int], bytes]
"""Gives so many random bytes."""


def true_random(length: int) -> bytes:
    """Random bytes of the operating system."""
    return secrets.token_bytes(length)


def seeded(seed: str) -> Random:
    """Bytes that are the same in every run with the same seed."""
    count = 0

    def draw(length: int) -> bytes:
        nonlocal count
        count += 1
        return hashlib.shake_256(f"{seed} {count}".encode()).digest(length)

    return draw


def fixed(value: bytes) -> Random:
    """A card whose random number never changes (CARD.md section 6)."""
    return lambda length: (value * length)[:length]
