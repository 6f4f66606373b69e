"""From a card key's name to the key, for one call: what the name may do, and the kept contexts of city keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import local
from typing import TYPE_CHECKING, Final, Self

from ota.card.keys import Algorithm, KeyRole
from ota.hsm_adapter.errors import AlgorithmNotSupported, ExposureRefused, KeyMisuse, KeyNotUsable
from ota.hsm_adapter.keys import CARD_ALGORITHMS, CARD_ROLES, SECURITY_DOMAIN_ROLES, KeyState, Path
from ota.hsm_adapter.ports import Exposure, Operation
from ota.hsm_adapter.software.ciphers import block_cipher, wipe
from ota.hsm_adapter.software.diversify import card_key, child_key, child_keys

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers import CipherContext

    from ota.hsm_adapter.keys import CardKey, KeyRef, KeySetRef
    from ota.hsm_adapter.software.memory import KeySource

_MAX_KEPT: Final = 4096

_TRANSACTION: Final = frozenset({KeyRole.LOAD, KeyRole.LOAD_2, KeyRole.PURCHASE, KeyRole.TAC})
_MESSAGING: Final = CARD_ROLES - _TRANSACTION
# A transaction key that also answered EXTERNAL AUTHENTICATE would hand out session keys for chosen input.

_ACTIVE: Final = frozenset({KeyState.ACTIVE})
_CHECKING: Final = frozenset({KeyState.ACTIVE, KeyState.VERIFY_ONLY})


@dataclass(frozen=True, slots=True)
class Rule:
    """Which keys an operation accepts."""

    roles: frozenset[KeyRole]
    states: frozenset[KeyState] = _ACTIVE
    algorithms: frozenset[Algorithm] = CARD_ALGORITHMS


RULES: Final[Mapping[Operation, Rule]] = {
    Operation.AUTHORISE_LOAD: Rule(frozenset({KeyRole.LOAD, KeyRole.LOAD_2})),
    Operation.CHECK_MAC1: Rule(frozenset({KeyRole.LOAD, KeyRole.LOAD_2}), _CHECKING),
    Operation.VERIFY_TAC: Rule(frozenset({KeyRole.TAC}), _CHECKING),
    Operation.OPEN_CHANNEL: Rule(SECURITY_DOMAIN_ROLES, algorithms=frozenset(Algorithm) - {Algorithm.SM4}),
    Operation.EXPORT_CARD_KEY: Rule(CARD_ROLES),
    Operation.SECURE_APDU: Rule(_MESSAGING),
    Operation.WRITE_KEY: Rule(_MESSAGING),
    Operation.EXTERNAL_AUTH: Rule(_MESSAGING),
    Operation.KCV: Rule(frozenset(KeyRole), frozenset(KeyState), frozenset(Algorithm)),
}


class Masters(dict[KeyRole, bytearray]):
    """The three masters of a security domain, wiped at the end of a with block."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        wipe(*self.values())


class _Kept(local):
    """The contexts of one thread: a context is not to be shared between threads (HSM.md)."""

    def __init__(self) -> None:
        self.generation = -1
        self.contexts: dict[tuple[Operation, KeyRef, Path], CipherContext] = {}


class CardKeys:
    """Derives card keys for one call each. City keys stay as cipher contexts, card keys never."""

    def __init__(self, source: KeySource, maximum_exposure: Exposure) -> None:
        self._source = source
        self._maximum = maximum_exposure
        self._kept = _Kept()

    def derive(self, key: CardKey, operation: Operation) -> bytearray:
        """The card key, in a buffer that the caller wipes.

        Raises ExposureRefused, KeyUnknown, KeyNotUsable, KeyMisuse, AlgorithmNotSupported.
        """
        if not key.path:
            self.check(key.ref, operation)
            return self._source.opened(key.ref)
        return child_key(self._context(key.ref, key.path[:-1], operation), key.path[-1])

    def derive_many(
        self, ref: KeyRef, outer: Path, factors: Sequence[bytes], operation: Operation
    ) -> bytearray:
        """The keys of many cards below one level, 16 bytes each in one buffer; otherwise as `derive`."""
        return child_keys(self._context(ref, outer, operation), factors)

    def masters(self, keys: KeySetRef) -> Masters:
        """The three masters of a security domain; raises as `derive` does."""
        refs = {role: keys.key(role) for role in sorted(SECURITY_DOMAIN_ROLES)}
        for ref in refs.values():
            self.check(ref, Operation.OPEN_CHANNEL)
        return Masters({role: self._source.opened(ref) for role, ref in refs.items()})

    def _context(self, ref: KeyRef, outer: Path, operation: Operation) -> CipherContext:
        """The kept cipher of the key above the cards'."""
        kept = self._kept
        if kept.generation != self._source.generation or len(kept.contexts) >= _MAX_KEPT:
            kept.contexts.clear()
            kept.generation = self._source.generation
        name = (operation, ref, outer)
        context = kept.contexts.get(name)
        if context is None:
            context = kept.contexts[name] = self._city_context(*name)
        return context

    def _city_context(self, operation: Operation, ref: KeyRef, outer: Path) -> CipherContext:
        self.check(ref, operation)
        if ref.algorithm not in CARD_ALGORITHMS:
            raise AlgorithmNotSupported(ref.algorithm)  # no rule says how AES would be diversified so
        master = self._source.opened(ref)
        city = card_key(ref.algorithm, master, outer)
        context = block_cipher(ref.algorithm, city)
        wipe(master, city)
        return context

    def check(self, ref: KeyRef, operation: Operation) -> None:
        """Raise what `derive` raises where the key's name, role or state stands against the operation."""
        if self._maximum < Exposure.CARD_KEY:  # here every operation has the card key in this process
            raise ExposureRefused
        rule = RULES[operation]
        if ref.role not in rule.roles:
            raise KeyMisuse(ref)
        if ref.algorithm not in rule.algorithms:
            raise AlgorithmNotSupported(ref.algorithm)
        state = self._source.entry(ref).state
        if state not in rule.states:
            raise KeyNotUsable(ref, state)
