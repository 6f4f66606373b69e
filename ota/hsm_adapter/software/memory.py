"""Keys that everybody knows, held in memory: for the start-up probe, for vectors and for tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from ota.hsm_adapter.errors import KeyUnknown
from ota.hsm_adapter.keys import KeyState
from ota.hsm_adapter.ports import KeyEntry
from ota.hsm_adapter.software.ciphers import Key, check_value

if TYPE_CHECKING:
    from ota.hsm_adapter.keys import KeyRef


class KeySource(Protocol):
    """Where the software HSM finds keys; `ota.hsm_adapter.software.store.KeyStore` is the real one."""

    @property
    def generation(self) -> int:
        """Goes up with every change."""
        ...

    def entries(self) -> Sequence[KeyEntry]:
        """The catalogue, ordered by name."""
        ...

    def entry(self, ref: KeyRef) -> KeyEntry:
        """One line of the catalogue; raises KeyUnknown."""
        ...

    def opened(self, ref: KeyRef) -> bytearray:
        """The key in a buffer that the caller wipes; raises KeyUnknown."""
        ...

    def refresh(self) -> None:
        """Take over what another process changed."""
        ...


class PublishedKeys:
    """A key source without a file and without secrets: every entry is marked as a test key."""

    def __init__(self, keys: Mapping[KeyRef, Key]) -> None:
        self._keys = dict(keys)
        self.generation = 1

    def __repr__(self) -> str:
        return f"PublishedKeys({len(self._keys)} keys)"

    def entries(self) -> Sequence[KeyEntry]:
        """The catalogue, ordered by name."""
        return sorted((self.entry(ref) for ref in self._keys), key=lambda entry: str(entry.ref))

    def entry(self, ref: KeyRef) -> KeyEntry:
        """One line of the catalogue; raises KeyUnknown."""
        key = self.opened(ref)
        return KeyEntry(ref, KeyState.ACTIVE, check_value(ref.algorithm, key), test=True)

    def opened(self, ref: KeyRef) -> bytearray:
        """A copy of the key; raises KeyUnknown."""
        if ref not in self._keys:
            raise KeyUnknown(ref)
        return bytearray(self._keys[ref])

    def refresh(self) -> None:
        """Nothing changes here: the generation stays."""
        self.generation = 1
