"""The master keys that a token holds: found by their labels, checked, told about; each with its check value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

from ota.card.keys import Algorithm
from ota.hsm_adapter.errors import KeyUnknown, TestKeysInProduction
from ota.hsm_adapter.pkcs11 import marks
from ota.hsm_adapter.pkcs11.attributes import checked_use
from ota.hsm_adapter.pkcs11.ciphers import Ciphers, TokenCipher
from ota.hsm_adapter.pkcs11.errors import KeyAttributesWeak
from ota.hsm_adapter.pkcs11.templates import Use
from ota.hsm_adapter.ports import KeyEntry
from ota.hsm_adapter.software.ciphers import KCV_LENGTH, block_cipher
from ota.hsm_adapter.software.published import published_keys

if TYPE_CHECKING:
    from ota.hsm_adapter.keys import KeyRef
    from ota.hsm_adapter.pkcs11.token import Handle, OpenToken

_AES_CHECK_BLOCK: Final = b"\x01" * 16  # GP 2.3.1 B.4; Amendment D 1.1.2, 4.1.3


@dataclass(frozen=True, slots=True)
class Master:
    """One master key on the token."""

    entry: KeyEntry
    handle: Handle
    cipher: TokenCipher
    use: Use


class Masters:
    """The keys of one token by name."""

    def __init__(self, masters: Mapping[KeyRef, Master], seen: object) -> None:
        self._masters = masters
        self.seen = seen
        """What the token listed when these were read; another list means another set of keys."""

    def __repr__(self) -> str:
        return f"Masters({len(self._masters)} keys)"

    def entries(self) -> Sequence[KeyEntry]:
        """The catalogue, ordered by name."""
        return sorted((each.entry for each in self._masters.values()), key=lambda entry: str(entry.ref))

    def get(self, ref: KeyRef) -> Master:
        """One key; raises KeyUnknown."""
        found = self._masters.get(ref)
        if found is None:
            raise KeyUnknown(ref)
        return found


def read_masters(token: OpenToken, ciphers: Ciphers, *, production: bool) -> Masters:
    """Every key of ours on the token, its attributes checked.

    Raises KeyAttributesWeak naming the key, TestKeysInProduction. Keys of an algorithm that this token is not set
    up for are passed over.
    """
    seen = marks.listed(token)
    states = marks.read(token)
    masters: dict[KeyRef, Master] = {}
    for ref, handle in marks.labelled(token):
        if ref.algorithm not in ciphers:
            continue
        if ref in masters:
            raise KeyAttributesWeak(ref, "two keys have this name")
        use = checked_use(handle, ref, ciphers[ref.algorithm])
        mark = states.get(ref, marks.UNMARKED)
        master = master_of(token, ref, handle, ciphers[ref.algorithm], use, mark)
        if production and (mark.test or is_published(token, master)):
            raise TestKeysInProduction
        masters[ref] = master
    return Masters(masters, seen)


def master_of(
    token: OpenToken, ref: KeyRef, handle: Handle, cipher: TokenCipher, use: Use, mark: marks.Mark
) -> Master:
    """A key with its line of the catalogue."""
    kcv = _block(token, handle, cipher, use, check_block(ref.algorithm))[:KCV_LENGTH]
    return Master(KeyEntry(ref, mark.state, kcv, mark.test, exportable=False), handle, cipher, use)


def check_block(algorithm: Algorithm) -> bytes:
    """What a check value is made of: zeros, for AES 01-bytes. The token's own CKA_CHECK_VALUE is not used: see HSM.md."""
    return _AES_CHECK_BLOCK if algorithm.value.startswith("AES") else bytes(algorithm.block_length)


def is_published(token: OpenToken, master: Master) -> bool:
    """Whether the key is one that anybody would try first, judged by a whole block and not by its mark."""
    algorithm = master.entry.ref.algorithm
    block = _block(token, master.handle, master.cipher, master.use, bytes(algorithm.block_length))
    return block in _published_blocks(algorithm)


@cache
def _published_blocks(algorithm: Algorithm) -> frozenset[bytes]:
    ciphers = (block_cipher(algorithm, key) for key in published_keys(algorithm))
    return frozenset(cipher.update(bytes(algorithm.block_length)) for cipher in ciphers)


def _block(token: OpenToken, handle: Handle, cipher: TokenCipher, use: Use, block: bytes) -> bytes:
    """One public block under a key that derives, or wraps."""
    if use is Use.WRAP:
        return token.wrap_known(handle, cipher, block)
    return token.public(handle, cipher, block)
