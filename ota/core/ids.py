"""Names for new things: a kind's prefix and 26 characters that sort by time."""

import secrets
import time
from collections.abc import Callable

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32, in lower case: no i, l, o, u

IdSource = Callable[[str], str]
"""Makes a new name for a prefix; a simulation hands in one that repeats itself."""


def new_id(prefix: str) -> str:
    """Make an id such as ``iss_01jd…``: 48 bits of milliseconds, then 82 random bits (the layout of a ULID).

    Letters, digits and ``_`` only, so that it may stand in a URL and in a job's id.

    >>> len(new_id("iss"))
    30
    """
    number = (time.time_ns() // 1_000_000 << 82) | secrets.randbits(82)
    return f"{prefix}_{_base32(number)}"


def _base32(number: int) -> str:
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))
