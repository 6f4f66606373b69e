"""Components of a key: each as long as the key, known to one officer; their XOR is the key."""

from __future__ import annotations

import re
from collections.abc import Sequence
from hmac import compare_digest
from typing import Final

from ota.card.keys import Algorithm
from ota.hsm_adapter.ceremony.errors import CeremonyRefused
from ota.hsm_adapter.software.ciphers import check_value

_SPACES: Final = str.maketrans("", "", " -\t")
_HEXADECIMAL: Final = re.compile(r"[0-9A-Fa-f]*", re.ASCII)


def read_component(algorithm: Algorithm, text: str) -> bytearray:
    """The component that an officer typed: hexadecimal digits, in groups if one likes.

    Raises CeremonyRefused for another length or other characters, and for one byte repeated: it would hide nothing.
    """
    digits = text.translate(_SPACES)
    length = algorithm.key_length
    if len(digits) != 2 * length or not _HEXADECIMAL.fullmatch(digits):
        raise CeremonyRefused(
            f"A component of {algorithm} is {2 * length} hexadecimal digits",
            f"{algorithm} 分量应为 {2 * length} 位十六进制数字",
        )
    component = bytearray.fromhex(digits)
    if len(set(component)) == 1:
        raise CeremonyRefused("A component of one byte repeated is weak", "分量各字节相同, 属于弱分量")
    return component


def component_kcv(algorithm: Algorithm, component: bytearray) -> bytes:
    """The check value that stands on the officer's sheet: the component used as a key, 3 bytes."""
    return check_value(algorithm, component)


def check_differs(component: bytearray, others: Sequence[bytearray]) -> None:
    """Raise CeremonyRefused for a component that was entered before: two equal ones cancel each other out."""
    if any(compare_digest(component, other) for other in others):
        raise CeremonyRefused("The component equals an earlier one", "该分量与先前的分量相同")


def combined(components: Sequence[bytearray]) -> bytearray:
    """The key: the XOR of all components, parity bits as they come."""
    key = bytearray(len(components[0]))
    for component in components:
        for place, byte in enumerate(component):
            key[place] ^= byte
    return key
