"""The master keys of the cards: the sandbox's published ones, and a second version that operations bring in during a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Final

from ota.card.keys import KeyRole
from ota.hsm_adapter.keys import CARD_ALGORITHMS, CARD_ROLES, KeyRef, KeyState
from ota.hsm_adapter.ports import KeyEntry
from ota.hsm_adapter.software import KeyStore
from ota.hsm_adapter.software.ciphers import check_value
from ota.hsm_adapter.test_keys import PROVINCE
from ota.sandbox.element import Algorithm
from ota.sandbox.test_masters import published_master
from ota.sandbox.witness import MASTERS, diversified

FIRST: Final = 1
SECOND: Final = 2
"""The versions that cards state."""

_LENGTH: Final = 16


def card_key(version: int, role: str, algorithm: Algorithm, factors: Sequence[bytes]) -> bytes:
    """A card's key of one version, as a card room makes it."""
    name = MASTERS[algorithm]
    master = published_master(role, name) if version == FIRST else _second_master(role, name)
    return diversified(master, algorithm, factors)


class ChangingKeys:
    """The `KeySource` of one run: the installation's store, the second version, and the states that operations set."""

    def __init__(self, store: KeyStore) -> None:
        self._store = store
        self._second: Mapping[KeyRef, bytes] = {
            KeyRef(role, PROVINCE, SECOND, algorithm): _second_master(role.value, algorithm.value)
            for role in CARD_ROLES
            for algorithm in CARD_ALGORITHMS
        }
        self._states: dict[KeyRef, KeyState] = {}
        self.generation = 1

    def begin(self) -> None:
        """A run begins: nobody has been at the ceremony yet."""
        if self._states:
            self._states.clear()
            self.generation += 1

    def change(self, refs: Iterable[KeyRef], state: KeyState) -> None:
        """What `ota keys state` does."""
        self._states.update(dict.fromkeys(refs, state))
        self.generation += 1

    @staticmethod
    def of_loads(version: int) -> list[KeyRef]:
        """The names of the keys that authorise and prove loads."""
        roles = (KeyRole.LOAD, KeyRole.LOAD_2, KeyRole.TAC)
        return [KeyRef(role, PROVINCE, version, algorithm) for role in roles for algorithm in CARD_ALGORITHMS]

    def second(self) -> list[KeyRef]:
        """The names of the second version's keys."""
        return list(self._second)

    def entries(self) -> Sequence[KeyEntry]:
        """The catalogue, ordered by name."""
        refs = [entry.ref for entry in self._store.entries()] + self.second()
        return sorted(map(self.entry, refs), key=lambda entry: str(entry.ref))

    def entry(self, ref: KeyRef) -> KeyEntry:
        """One line of the catalogue; raises KeyUnknown."""
        if ref not in self._second:
            known = self._store.entry(ref)
            return replace(known, state=self._states.get(ref, known.state))
        state = self._states.get(ref, KeyState.PRE_ACTIVE)
        return KeyEntry(ref, state, check_value(ref.algorithm, self.opened(ref)), test=True)

    def opened(self, ref: KeyRef) -> bytearray:
        """The key in a buffer that the caller wipes; raises KeyUnknown."""
        second = self._second.get(ref)
        return bytearray(second) if second is not None else self._store.opened(ref)

    def refresh(self) -> None:  # empty: nobody else changes these keys
        """Nothing to take over."""


def _second_master(role: str, algorithm: str) -> bytes:
    return sha256(f"OTA SIMULATION KEY {SECOND} {role} {algorithm}".encode()).digest()[:_LENGTH]
