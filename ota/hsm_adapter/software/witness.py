"""Who remembers the key store outside of it, so that an old copy put back, or another one, is noticed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from ota.hsm_adapter.errors import KeyStoreDamaged
from ota.hsm_adapter.software.kek import Seal, write_private

WITNESS_FILE: Final = "generation"
_GENERATION_LENGTH: Final = 8


@dataclass(frozen=True, slots=True)
class Remembered:
    """What is known of a store: its generation, and its administrator's public key (None: nobody)."""

    generation: int
    administrator: bytes | None = None


class StoreWitness(Protocol):
    """Remembers the newest generation of one store and who administers it.

    The database's (`ota.store.key_witness`) is apart from the store's folder, so it also notices a whole folder that
    was put back.
    """

    def remembered(self) -> Remembered | None:
        """What was remembered last, or None before the first; raises KeyStoreDamaged, Unavailable."""
        ...

    def remember(self, now: Remembered) -> None:
        """Remember this, unless a greater generation is remembered."""
        ...


class FileWitness:
    """A sealed file beside the store. It notices the store's file alone being put back."""

    def __init__(self, folder: Path, seal: Seal) -> None:
        self._path = folder / WITNESS_FILE
        self._seal = seal

    def remembered(self) -> Remembered | None:
        """What stands in the file, or None when there is no file."""
        if not self._path.exists():
            return None
        kept = bytes(self._seal.open(self._path.read_bytes(), b""))
        return Remembered(int.from_bytes(kept[:_GENERATION_LENGTH], "big"), kept[_GENERATION_LENGTH:] or None)

    def remember(self, now: Remembered) -> None:
        """Put a new file in place; only the store calls this, one process at a time."""
        kept = now.generation.to_bytes(_GENERATION_LENGTH, "big") + (now.administrator or b"")
        write_private(self._path, self._seal.close(kept, b""))


def check_generation(stored: int | None, remembered: int) -> None:
    """Raise KeyStoreDamaged unless the store is as new as is remembered, or newer by a crash in between."""
    if stored is None and remembered:
        raise KeyStoreDamaged("its file is missing")
    if stored is not None and stored < remembered:
        raise KeyStoreDamaged(
            f"it was rolled back to generation {stored}, {remembered} is the last known; "
            "put the newer one back, or see `ota keys reinstate --help`"
        )
