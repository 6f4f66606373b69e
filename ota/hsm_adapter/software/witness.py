"""Who remembers the key store's generation outside of it, so that an old copy put back is noticed."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Protocol

from ota.hsm_adapter.errors import KeyStoreDamaged
from ota.hsm_adapter.software.kek import Seal, write_private

WITNESS_FILE: Final = "generation"


class GenerationWitness(Protocol):
    """Remembers one number that only grows; a database row keeps it apart from the key store's folder."""

    def generation(self) -> int | None:
        """The number remembered, or None before the first; raises KeyStoreDamaged."""
        ...

    def advance(self, generation: int) -> None:
        """Remember a greater number."""
        ...


class FileWitness:
    """The default: a sealed file beside the store. It notices the store's file alone being put back."""

    def __init__(self, folder: Path, seal: Seal) -> None:
        self._path = folder / WITNESS_FILE
        self._seal = seal

    def generation(self) -> int | None:
        """The number in the file, or None when there is no file."""
        if not self._path.exists():
            return None
        return int.from_bytes(self._seal.open(self._path.read_bytes(), b""), "big")

    def advance(self, generation: int) -> None:
        """Put a new file in place."""
        write_private(self._path, self._seal.close(generation.to_bytes(8, "big"), b""))


def check_generation(stored: int | None, remembered: int | None) -> None:
    """Raise KeyStoreDamaged unless the store is as new as is remembered, or newer by a crash in between."""
    if stored is None:
        if remembered:
            raise KeyStoreDamaged("its file is missing")
        return
    if remembered is None:
        raise KeyStoreDamaged("the record of its generation is missing")
    if stored < remembered:
        raise KeyStoreDamaged(f"it was rolled back to generation {stored}, {remembered} is the last known")
