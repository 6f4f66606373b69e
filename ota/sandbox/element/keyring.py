"""The keys of an e-purse: by role and algorithm, each with a version and tries left (CARD.md 2.1, 3.7)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from ota.sandbox.element import purse_crypto
from ota.sandbox.element.application import Decipher
from ota.sandbox.element.crypto import same
from ota.sandbox.element.purse_crypto import Algorithm
from ota.sandbox.element.status import (
    AUTHENTICATION_BLOCKED,
    KEY_INDEX_NOT_SUPPORTED,
    REFERENCE_NOT_FOUND,
    WRONG_DATA,
    needed,
    require,
)

KEY_LENGTH = 16
MAX_TRIES = 3
_ENTRY = KEY_LENGTH + 3
_SM4_INDEX = 0x40
"""Bit of a key index that asks for SM4 (CARD.md 1.3)."""


class Role(StrEnum):
    """What a key is for; the first fifteen in the order of DGI B0A0."""

    CARD_CONTROL = "card_control"
    CARD_MAINTENANCE = "card_maintenance"
    APP_CONTROL = "app_control"
    APP_MAINTENANCE = "app_maintenance"
    PURCHASE = "purchase"
    LOAD = "load"
    TAC = "tac"
    APP_BLOCK = "app_block"
    PIN = "pin"
    ECASH_RECORD = "ecash_record"
    PURSE_RECORD = "purse_record"
    SPARE = "spare"
    APP_UNBLOCK = "app_unblock"
    RESERVED_1 = "reserved_1"
    RESERVED_2 = "reserved_2"
    LOAD_2 = "load_2"


KEY_SET_ROLES = tuple(Role)[:15]
LOAD_ROLES = {1: Role.LOAD, 2: Role.LOAD_2}
PURCHASE_ROLES = {1: Role.PURCHASE}


@dataclass(frozen=True, slots=True)
class PurseKey:
    """One key, ready to use."""

    algorithm: Algorithm
    value: bytes = field(repr=False)
    version: int
    algorithm_id: int


class Keyring:
    """Keys of both algorithms; `default` is the one that a plain key index means."""

    def __init__(self, default: Algorithm, algorithm_id: int | None = None) -> None:
        self.default = default
        self._values: dict[tuple[Role, Algorithm], bytes] = {}
        self._versions: dict[tuple[Role, Algorithm], int] = {}
        self._tries: dict[Role, int] = {}
        self._identity = {Algorithm.TDES: (0x00, 0x01), Algorithm.SM4: (0x04, 0x01)}
        if algorithm_id is not None:
            self._identity[default] = (algorithm_id, 0x01)
        self._fixed_id = algorithm_id

    @property
    def is_empty(self) -> bool:
        """Whether no key was loaded yet."""
        return not self._values

    def take_identity(self, content: bytes) -> None:
        """Take DGI A002: algorithm identifier and key version for 3DES, then for SM4."""
        require(len(content) in (2, 4), WRONG_DATA)
        for position, algorithm in enumerate(tuple(Algorithm)[: len(content) // 2]):
            identifier, version = content[2 * position : 2 * position + 2]
            fixed = self._fixed_id if algorithm is self.default else None
            self._identity[algorithm] = (identifier if fixed is None else fixed, version)

    def take_set(
        self, algorithm: Algorithm, roles: tuple[Role, ...], content: bytes, decipher: Decipher | None
    ) -> None:
        """Take enciphered keys, each followed by its check value; one wrong check value refuses the whole set."""
        require(decipher and len(content) == _ENTRY * len(roles), WRONG_DATA)
        found = {}
        for position, role in enumerate(roles):
            entry = content[_ENTRY * position : _ENTRY * (position + 1)]
            key = decipher(entry[:KEY_LENGTH]) if decipher else b""
            require(same(purse_crypto.check_value(algorithm, key), entry[KEY_LENGTH:]), WRONG_DATA)
            found[role, algorithm] = key
        self._values.update(found)

    def write(self, role: Role, algorithm: Algorithm, key: bytes, version: int) -> None:
        """Replace one key in the field; its tries start anew."""
        self._values[role, algorithm] = key
        self._versions[role, algorithm] = version
        self._tries.pop(role, None)

    def by_index(self, roles: dict[int, Role], index: int) -> PurseKey:
        """The key that an e-purse command names by index, or 9403."""
        algorithm = Algorithm.SM4 if index & _SM4_INDEX else self.default
        role = needed(roles.get(index & ~_SM4_INDEX), KEY_INDEX_NOT_SUPPORTED)
        require((role, algorithm) in self._values, KEY_INDEX_NOT_SUPPORTED)
        return self._key(role, algorithm)

    def by_role(self, role: Role, algorithm: Algorithm | None = None) -> PurseKey:
        """A key by what it is for, in the default algorithm unless told otherwise; 6A88 when there is none."""
        algorithm = algorithm or self.default
        require((role, algorithm) in self._values, REFERENCE_NOT_FOUND)
        return self._key(role, algorithm)

    def tries_left(self, role: Role) -> int:
        """How often this key may still be got wrong."""
        return self._tries.get(role, MAX_TRIES)

    def judge(self, role: Role, *, right: bool) -> bool:
        """Count a try with a key, refusing a blocked one with 6983, and hand the judgement back."""
        require(self.tries_left(role), AUTHENTICATION_BLOCKED)
        self._tries[role] = MAX_TRIES if right else self.tries_left(role) - 1
        return right

    def _key(self, role: Role, algorithm: Algorithm) -> PurseKey:
        identifier, version = self._identity[algorithm]
        version = self._versions.get((role, algorithm), version)
        return PurseKey(algorithm, self._values[role, algorithm], version, identifier)
