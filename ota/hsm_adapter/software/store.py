"""The software HSM's keys: sealed in one file, found by name, opened for one use at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from threading import RLock
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from ota.hsm_adapter.errors import (
    KeyNotUsable,
    KeyRefused,
    KeyStoreDamaged,
    KeyUnknown,
    TestKeysInProduction,
)
from ota.hsm_adapter.keys import KeyState
from ota.hsm_adapter.ports import KeyEntry
from ota.hsm_adapter.software import catalogue
from ota.hsm_adapter.software.administration import (
    Administrator,
    AdministratorRecord,
    appoint,
    nobody_appointed,
    passphrase_needed,
    unlock,
)
from ota.hsm_adapter.software.catalogue import Catalogue, SealedKey
from ota.hsm_adapter.software.ciphers import Key, check_value, wipe
from ota.hsm_adapter.software.kek import exclusively, seals, sweep, write_private
from ota.hsm_adapter.software.published import is_published
from ota.hsm_adapter.software.succession import check_succession, endorse
from ota.hsm_adapter.software.weakness import weakness
from ota.hsm_adapter.software.witness import (
    WITNESS_FILE,
    FileWitness,
    Remembered,
    StoreWitness,
    check_generation,
)

if TYPE_CHECKING:
    from ota.hsm_adapter.keys import KeyRef

STORE_FILE: Final = "keys"
PRODUCTION: Final = "production"

_LATER: Final = {
    KeyState.PRE_ACTIVE: frozenset({KeyState.ACTIVE, KeyState.RETIRED}),
    KeyState.ACTIVE: frozenset({KeyState.VERIFY_ONLY, KeyState.RETIRED}),
    KeyState.VERIFY_ONLY: frozenset({KeyState.RETIRED}),
    KeyState.RETIRED: frozenset[KeyState](),
}


class KeyStore:
    """The keys of one data folder. Several threads and processes may use it; one at a time changes it.

    ``administrator`` is the public key of who is known to administer it, if the installation names one. ``witness``
    remembers generation and administrator apart from the folder, where a sealed file remembers them too. Opening raises
    KeyStoreDamaged for a store that was altered, rolled back or is another administrator's, TestKeysInProduction where
    it holds test keys. ``older_taken`` opens one that was rolled back, for its administrator to `reinstate`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        environment: str,
        administrator: bytes | None = None,
        witness: StoreWitness | None = None,
        older_taken: bool = False,
    ) -> None:
        self._folder = folder
        self._older_taken = older_taken
        self._named = administrator
        self._production = environment == PRODUCTION
        self._key_seal, self._catalogue_seal, witness_seal = seals(folder, "key", "catalogue", "generation")
        self._file_witness = FileWitness(folder, witness_seal)
        self._witnesses: tuple[StoreWitness, ...] = (self._file_witness, *((witness,) if witness else ()))
        self._guard = RLock()
        self._administrator: Administrator | None = None
        self._record: AdministratorRecord | None = None
        self._generation = 0
        self._keys: Mapping[KeyRef, SealedKey] = {}
        self.refresh()

    def __repr__(self) -> str:
        return f"KeyStore({len(self._keys)} keys, generation {self._generation})"

    @property
    def generation(self) -> int:
        """Goes up with every change; whoever keeps something made from keys compares it."""
        return self._generation

    @property
    def administrator(self) -> AdministratorRecord | None:
        """Who alone may change the store, or None while anybody with the data folder may."""
        return self._record

    def appoint(self, passphrase: str) -> AdministratorRecord:
        """Appoint an administrator; one who is there must be unlocked and is replaced. Raises AdministrationRefused."""
        with self._guard, exclusively(self._folder):
            present = self._load()
            self._check_administrator(present.administrator)
            predecessor, self._administrator = self._administrator, appoint(passphrase)
            record = self._administrator.record
            line = present.succession
            if present.administrator and predecessor:
                line = (*line, endorse(predecessor, record))
            self._save(replace(present, administrator=record, succession=line))
        return record

    def unlock(self, passphrase: str) -> None:
        """Let this object change the store; raises AdministrationRefused for a wrong passphrase."""
        if self._record is None:
            raise nobody_appointed()
        self._administrator = unlock(self._record, passphrase)

    def entries(self) -> Sequence[KeyEntry]:
        """The catalogue, ordered by name."""
        return sorted((key.entry for key in self._keys.values()), key=lambda entry: str(entry.ref))

    def entry(self, ref: KeyRef) -> KeyEntry:
        """One line of the catalogue; raises KeyUnknown."""
        return self._sealed(ref).entry

    def opened(self, ref: KeyRef) -> bytearray:
        """The key in a buffer that the caller wipes; raises KeyUnknown, KeyStoreDamaged."""
        sealed = self._sealed(ref)
        return self._key_seal.open(sealed.sealed, catalogue.associated_data(sealed.entry))

    def refresh(self) -> None:
        """Take over what another process changed; raises KeyStoreDamaged, TestKeysInProduction."""
        with self._guard, exclusively(self._folder):
            loaded = self._load()
            if not self._older_taken:
                self._remember(
                    loaded
                )  # anew after a crash between the store and a witness, or an older database
            self._take(loaded)

    def add(
        self,
        keys: Mapping[KeyRef, Key],
        *,
        test: bool,
        state: KeyState = KeyState.ACTIVE,
        only_missing: bool = False,
        exportable: bool = True,
    ) -> Sequence[KeyEntry]:
        """Seal new keys into the store, all or none; the new lines. ``only_missing`` leaves out names that are taken.

        Raises KeyRefused for a name that is taken, and unless ``test`` marks them, for weak and published keys;
        TestKeysInProduction for marked ones where they may not be; AdministrationRefused.
        """
        if test and self._production:
            raise TestKeysInProduction
        with self._guard, exclusively(self._folder):
            present = self._load()
            taken = {key.entry.ref for key in present.keys}
            wanted = {ref: key for ref, key in keys.items() if not (only_missing and ref in taken)}
            fresh = [
                self._sealed_entry(KeyEntry(ref, state, _kcv(ref, key), test, exportable), key, taken)
                for ref, key in wanted.items()
            ]
            if fresh:
                self._save(replace(present, keys=(*present.keys, *fresh)))
            else:
                self._take(present)
        return [key.entry for key in fresh]

    def change_state(self, ref: KeyRef, state: KeyState) -> None:
        """Move a key on in its life; raises KeyUnknown, KeyNotUsable for a step that is not one."""
        with self._guard, exclusively(self._folder):
            present = self._load()
            found = [key for key in present.keys if key.entry.ref == ref]
            if not found:
                raise KeyUnknown(ref)
            if state not in _LATER[found[0].entry.state]:
                raise KeyNotUsable(ref, found[0].entry.state)
            others = tuple(key for key in present.keys if key.entry.ref != ref)
            self._save(replace(present, keys=(*others, self._restated(found[0], state))))

    def reinstate(self) -> None:
        """Make what is here the newest generation; raises AdministrationRefused without the administrator."""
        with self._guard, exclusively(self._folder):
            present = self._load()
            newest = max((known.generation for known in self._remembered()), default=0)
            self._older_taken = False
            self._save(replace(present, generation=max(present.generation, newest)))

    def _sealed(self, ref: KeyRef) -> SealedKey:
        found = self._keys.get(ref)
        if found is None:
            raise KeyUnknown(ref)
        return found

    def _sealed_entry(self, entry: KeyEntry, key: Key, taken: set[KeyRef]) -> SealedKey:
        if entry.ref in taken:
            raise KeyRefused(entry.ref, "the name is taken")
        if not entry.test:
            _check_secret(entry.ref, key)
        return SealedKey(entry, self._key_seal.close(key, catalogue.associated_data(entry)))

    def _restated(self, sealed: SealedKey, state: KeyState) -> SealedKey:
        entry = replace(sealed.entry, state=state)
        key = self._key_seal.open(sealed.sealed, catalogue.associated_data(sealed.entry))
        closed = self._key_seal.close(key, catalogue.associated_data(entry))
        wipe(key)
        return SealedKey(entry, closed)

    def _load(self) -> Catalogue:
        remembered = self._remembered()  # read first: a newer file than remembered is no roll-back
        path = self._folder / STORE_FILE
        there = path.exists()
        stored = catalogue.read(path.read_bytes(), self._catalogue_seal) if there else Catalogue(0, ())
        if there and self._file_witness.remembered() is None:
            raise KeyStoreDamaged("the record of its generation is missing")
        if not self._older_taken:
            for known in remembered:
                check_generation(stored.generation if there else None, known.generation)
        return self._checked(stored, remembered)

    def _remembered(self) -> list[Remembered]:
        return [known for witness in self._witnesses if (known := witness.remembered()) is not None]

    def _remember(self, stored: Catalogue) -> None:
        administrator = stored.administrator
        now = Remembered(stored.generation, administrator.public if administrator else None)
        for witness in self._witnesses:
            known = witness.remembered()
            if stored.generation and (known is None or known.generation < now.generation):
                witness.remember(now)

    def _checked(self, stored: Catalogue, remembered: Sequence[Remembered]) -> Catalogue:
        """The catalogue, when its administrator is the one whom setting, witnesses and this process know."""
        seen = self._record.public if self._record else None
        for known in {self._named, seen, *(each.administrator for each in remembered)}:
            if known is not None:
                check_succession(stored.administrator, stored.succession, known)
        if (
            self._production
            and stored.administrator is None
            and not all(key.entry.test for key in stored.keys)
        ):
            raise KeyStoreDamaged("it holds production keys and has no administrator")
        return stored

    def _save(self, changed: Catalogue) -> None:
        """Write the next generation, signed where the store has an administrator."""
        self._check_administrator(changed.administrator)
        if self._production and changed.administrator is None:
            raise nobody_appointed()
        changed = replace(changed, generation=changed.generation + 1)
        if self._file_witness.remembered() is None:
            self._file_witness.remember(
                Remembered(0)
            )  # a store without its record is refused, so it comes first
        for name in (STORE_FILE, WITNESS_FILE):
            sweep(self._folder / name)
        signer = self._administrator if changed.administrator else None
        write_private(self._folder / STORE_FILE, catalogue.write(changed, self._catalogue_seal, signer))
        self._remember(changed)
        self._take(changed)

    def _check_administrator(self, record: AdministratorRecord | None) -> None:
        if record is not None and (self._administrator is None or self._administrator.record != record):
            raise passphrase_needed()

    def _take(self, loaded: Catalogue) -> None:
        if self._production and any(key.entry.test for key in loaded.keys):
            raise TestKeysInProduction
        self._keys = MappingProxyType({key.entry.ref: key for key in loaded.keys})
        self._record = loaded.administrator
        self._generation = loaded.generation


def _kcv(ref: KeyRef, key: Key) -> bytes:
    if len(key) != ref.algorithm.key_length:
        raise KeyRefused(ref, f"not {ref.algorithm.key_length} bytes")
    return check_value(ref.algorithm, key)


def _check_secret(ref: KeyRef, key: Key) -> None:
    why = weakness(ref.algorithm, key) or (
        "published in documents or test vectors" if is_published(key) else None
    )
    if why:
        raise KeyRefused(ref, why)
