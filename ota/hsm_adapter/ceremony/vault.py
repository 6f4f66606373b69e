"""Where a ceremony puts keys: the part of a backend that looks after them, never reached by a server's requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from ota.hsm_adapter.keys import KeyState

if TYPE_CHECKING:
    from ota.hsm_adapter.keys import KeyRef
    from ota.hsm_adapter.ports import KeyEntry
    from ota.hsm_adapter.software.ciphers import Key


class KeyVault(Protocol):
    """Takes keys in and moves them on. `ota.hsm_adapter.software.KeyStore` is one once it is unlocked."""

    def entries(self) -> Sequence[KeyEntry]:
        """The catalogue, ordered by name."""
        ...

    def entry(self, ref: KeyRef) -> KeyEntry:
        """One line of the catalogue; raises KeyUnknown."""
        ...

    def add(
        self, keys: Mapping[KeyRef, Key], *, test: bool, state: KeyState = ..., exportable: bool = ...
    ) -> Sequence[KeyEntry]:
        """Take in keys, all or none; the new lines. Raises KeyRefused, TestKeysInProduction, AdministrationRefused."""
        ...

    def change_state(self, ref: KeyRef, state: KeyState) -> None:
        """Move a key on in its life; raises KeyUnknown, KeyNotUsable, AdministrationRefused."""
        ...


class OpenableVault(KeyVault, Protocol):
    """A vault whose keys can be wrapped by this process: the software one. A token wraps inside itself."""

    def opened(self, ref: KeyRef) -> bytearray:
        """The key in a buffer that the caller wipes; raises KeyUnknown."""
        ...
