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
from ota.hsm_adapter.software.administration import Administrator, AdministratorRecord
from ota.hsm_adapter.software.kek import Seal
from ota.hsm_adapter.software.succession import Endorsement

FORMAT: Final = "ota-keys-1"
_FILE: Final = re.compile(rb"([^\n]*)\n([0-9a-f]{56})\n(?:([0-9a-f]{128})\n)?")


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
    administrator: AdministratorRecord | None = None
    succession: tuple[Endorsement, ...] = ()
    """From the first administrator to the present one."""


def line(entry: KeyEntry) -> dict[str, object]:
    """What the catalogue says of a key."""
    bound = {} if entry.exportable else {"exportable": False}
    return bound | {
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


def write(catalogue: Catalogue, seal: Seal, administrator: Administrator | None = None) -> bytes:
    """The file: a line of JSON, a line with the seal over every byte of it, a line with the administrator's signature.

    The signature is there if the catalogue has an administrator.
    """
    stored: dict[str, object] = {
        "format": FORMAT,
        "generation": catalogue.generation,
        "keys": [{**line(key.entry), "key": key.sealed.hex()} for key in _ordered(catalogue.keys)],
    }
    if catalogue.administrator:
        stored["administrator"] = _administrator_line(catalogue.administrator)
        stored["succession"] = [_endorsement_line(step) for step in catalogue.succession]
    body = _json(stored)
    marks = [seal.close(b"", body)] + ([administrator.sign(body)] if administrator else [])
    return b"\n".join((body, *(mark.hex().encode() for mark in marks), b""))


def read(content: bytes, seal: Seal) -> Catalogue:
    """Check seal and signature, then read the catalogue; raises KeyStoreDamaged at the first doubt."""
    found = _FILE.fullmatch(content)
    if found is None:
        raise KeyStoreDamaged("the catalogue has no seal")
    body, mark, signature = found.groups()
    seal.open(bytes.fromhex(mark.decode()), body)
    stored = json.loads(body)
    if stored["format"] != FORMAT:
        raise KeyStoreDamaged("the catalogue has another format; this release reads " + FORMAT)
    administrator = _administrator(stored.get("administrator"))
    if administrator:
        administrator.check(body, signature and bytes.fromhex(signature.decode()))
    elif signature:
        raise KeyStoreDamaged("the catalogue is signed by nobody known")
    return Catalogue(
        stored["generation"],
        tuple(_key(key) for key in stored["keys"]),
        administrator,
        tuple(_endorsement(step) for step in stored.get("succession", ())),
    )


def _administrator_line(record: AdministratorRecord) -> dict[str, str]:
    return {"public": record.public.hex(), "salt": record.salt.hex(), "sealed": record.sealed.hex()}


def _administrator(stored: dict[str, str] | None) -> AdministratorRecord | None:
    if stored is None:
        return None
    return AdministratorRecord(*(bytes.fromhex(stored[name]) for name in ("public", "salt", "sealed")))


def _endorsement_line(step: Endorsement) -> dict[str, str]:
    return {"by": step.by.hex(), "of": step.of.hex(), "signature": step.signature.hex()}


def _endorsement(stored: dict[str, str]) -> Endorsement:
    return Endorsement(*(bytes.fromhex(stored[name]) for name in ("by", "of", "signature")))


def _key(stored: dict[str, Any]) -> SealedKey:
    ref = KeyRef(KeyRole(stored["role"]), stored["issuer"], stored["version"], Algorithm(stored["algorithm"]))
    exportable = stored.get("exportable", True)
    entry = KeyEntry(ref, KeyState(stored["state"]), bytes.fromhex(stored["kcv"]), stored["test"], exportable)
    return SealedKey(entry, bytes.fromhex(stored["key"]))


def _ordered(keys: Iterable[SealedKey]) -> list[SealedKey]:
    return sorted(keys, key=lambda key: str(key.entry.ref))


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
