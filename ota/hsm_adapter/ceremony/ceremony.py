"""The import of a key by components: two or three officers, one after the other, against the clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Self

from ota.hsm_adapter.ceremony.components import check_differs, combined, component_kcv, read_component
from ota.hsm_adapter.ceremony.errors import CeremonyExpired, CeremonyRefused
from ota.hsm_adapter.keys import KeyState
from ota.hsm_adapter.software.ciphers import check_value, wipe

if TYPE_CHECKING:
    from ota.core.clock import Clock
    from ota.hsm_adapter.ceremony.vault import KeyVault
    from ota.hsm_adapter.keys import KeyRef
    from ota.hsm_adapter.ports import KeyEntry

FEWEST: Final = 2
MOST: Final = 3
LIMIT: Final = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Given:
    """That an officer gave a component, which one by its check value, and when."""

    officer: str
    kcv: bytes
    at: datetime


class ComponentCeremony:
    """One key of one name. Use it in a with block: the components are wiped at its end, however it ends."""

    def __init__(self, ref: KeyRef, officers: Sequence[str], clock: Clock, limit: timedelta = LIMIT) -> None:
        self.ref: Final = ref
        self.officers: Final = _different(officers)
        self.begun: Final = clock.now()
        self._clock = clock
        self._limit = limit
        self._components: list[bytearray] = []
        self._given: list[Given] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._wipe()

    def __repr__(self) -> str:
        return f"ComponentCeremony({self.ref}, {len(self._given)} of {len(self.officers)} components)"

    @property
    def given(self) -> tuple[Given, ...]:
        """What was given so far."""
        return tuple(self._given)

    def give(self, text: str) -> Given:
        """Take the next officer's component; its check value is to be compared with the officer's sheet.

        Raises CeremonyRefused for a malformed, weak or repeated one, which may be entered again; CeremonyExpired.
        """
        self._check_time()
        if len(self._given) == len(self.officers):
            raise CeremonyRefused("Every officer has given a component", "所有分量均已输入")
        component = read_component(self.ref.algorithm, text)
        try:
            check_differs(component, self._components)
        except CeremonyRefused:
            wipe(component)
            raise
        kcv = component_kcv(self.ref.algorithm, component)
        self._components.append(component)
        self._given.append(Given(self.officers[len(self._given)], kcv, self._clock.now()))
        return self._given[-1]

    def take_back(self) -> None:
        """Wipe the last component: its check value was not the one on the officer's sheet."""
        wipe(self._components.pop())
        self._given.pop()

    def kcv(self) -> bytes:
        """The check value of the whole key; raises CeremonyRefused while a component is missing."""
        key = self._whole()
        kcv = check_value(self.ref.algorithm, key)
        wipe(key)
        return kcv

    def store(
        self,
        vault: KeyVault,
        *,
        state: KeyState = KeyState.PRE_ACTIVE,
        test: bool = False,
        exportable: bool = False,
    ) -> KeyEntry:
        """Put the key into the vault and forget it. Unless ``exportable`` it never leaves again in a key block.

        Raises CeremonyExpired, CeremonyRefused, and what `KeyVault.add` raises.
        """
        key = self._whole()
        try:
            (entry,) = vault.add({self.ref: key}, test=test, state=state, exportable=exportable)
        finally:
            wipe(key)
            self._wipe()
        return entry

    def _whole(self) -> bytearray:
        self._check_time()
        if len(self._components) < len(self.officers):
            raise CeremonyRefused("A component is missing", "缺少分量")
        return combined(self._components)

    def _check_time(self) -> None:
        if self._clock.now() - self.begun > self._limit:
            self._wipe()
            raise CeremonyExpired

    def _wipe(self) -> None:
        wipe(*self._components)
        self._components.clear()


def _different(officers: Sequence[str]) -> tuple[str, ...]:
    names = tuple(" ".join(name.split()) for name in officers)
    if not FEWEST <= len(names) <= MOST or "" in names:
        raise CeremonyRefused(
            "Two or three officers, each by name, are needed", "需要两名或三名具名的密钥保管员"
        )
    if len({name.casefold() for name in names}) < len(names):
        raise CeremonyRefused("The officers must be different people", "密钥保管员不能为同一人")
    return names
