"""The key store's file: every key sealed with its line of the catalogue, the whole sealed with its generation."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from ota.card.keys import Algorithm, KeyRole
from ota.hsm_adapter.errors import KeyStoreDamaged
from ota.hsm_adapter.keys import KeyRef, KeyState
from ota.hsm_adapter.ports import KeyEntry
from ota.hsm_adapter.software.kek import Seal

FORMAT: Final = "ota-keys-1"
_SEAL_LINE: Final = re.compile(rb"[0-9a-f]{56}\n")
_SEAL_LENGTH: Final = 57


@dataclass(frozen=True, slots=True, repr=False)
class SealedKey:
    """A line of the catalogue and the key, sealed so that neither can be exchanged without the other."""

    entry: KeyEntry
    sealed: bytes

    def __repr__(self) -> str:
        return f"SealedKey({self.entry.ref}, {self.entry.state})"


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All keys at one generation; the generation goes up with every change."""

    generation: int
    keys: tuple[SealedKey, ...]


def line(entry: KeyEntry) -> dict[str, object]:
    """What the catalogue says of a key."""
    return {
        "role": entry.ref.role.value,
        "issuer": entry.ref.issuer,
        "version": entry.ref.version,
        "algorithm": entry.ref.algorithm.value,
        "state": entry.state.value,
        "kcv": entry.kcv.hex(),
        "test": entry.test,
    }


def associated_data(entry: KeyEntry) -> bytes:
    """The catalogue's line as the associated data of the key: name, version, state, check value, test mark."""
    return _json(line(entry))


def write(catalogue: Catalogue, seal: Seal) -> bytes:
    """The file: one line of JSON, and one with the seal over every byte of the first."""
    body = _json(
        {
            "format": FORMAT,
            "generation": catalogue.generation,
            "keys": [{**line(key.entry), "key": key.sealed.hex()} for key in _ordered(catalogue.keys)],
        }
    )
    return body + b"\n" + seal.close(b"", body).hex().encode() + b"\n"


def read(content: bytes, seal: Seal) -> Catalogue:
    """Check the seal, then read the catalogue; raises KeyStoreDamaged at the first doubt."""
    body, mark = content[: -_SEAL_LENGTH - 1], content[-_SEAL_LENGTH - 1 :]
    if mark[:1] != b"\n" or not _SEAL_LINE.fullmatch(mark[1:]):
        raise KeyStoreDamaged("the catalogue has no seal")
    seal.open(bytes.fromhex(mark[1:-1].decode()), body)
    stored = json.loads(body)
    if stored["format"] != FORMAT:
        raise KeyStoreDamaged("the catalogue has another format; this release reads " + FORMAT)
    return Catalogue(stored["generation"], tuple(_key(key) for key in stored["keys"]))


def _key(stored: dict[str, Any]) -> SealedKey:
    ref = KeyRef(KeyRole(stored["role"]), stored["issuer"], stored["version"], Algorithm(stored["algorithm"]))
    entry = KeyEntry(ref, KeyState(stored["state"]), bytes.fromhex(stored["kcv"]), stored["test"])
    return SealedKey(entry, bytes.fromhex(stored["key"]))


def _ordered(keys: Iterable[SealedKey]) -> list[SealedKey]:
    return sorted(keys, key=lambda key: str(key.entry.ref))


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
