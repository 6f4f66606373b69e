"""The names of keys and the public factors that lead to a card's key. There is no type for a key itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeVar

from ota.card.keys import Algorithm, KeyRole
from ota.core.errors import InvalidValue

Path = tuple[bytes, ...]
"""Public diversification factors of 8 bytes each, outermost first, 0 to 8 of them (CARD.md 2.2)."""

Name = TypeVar("Name", KeyRole, Algorithm)

FACTOR_LENGTH: Final = 8
MAX_LEVELS: Final = 8

_ISSUER = re.compile(r"[a-z0-9][a-z0-9-]{0,31}", re.ASCII)
_VERSION = re.compile(r"0|[1-9]\d{0,2}", re.ASCII)

SECURITY_DOMAIN_ROLES: Final = frozenset({KeyRole.SD_ENC, KeyRole.SD_MAC, KeyRole.SD_DEK})
CARD_ROLES: Final = frozenset(KeyRole) - SECURITY_DOMAIN_ROLES - {KeyRole.TRANSPORT}
"""The roles of keys that stand on a card."""
CARD_ALGORITHMS: Final = frozenset({Algorithm.TDES, Algorithm.SM4})


class KeyState(StrEnum):
    """Where a key is in its life. Verify-only keys check old MACs and TACs and make nothing new."""

    PRE_ACTIVE = "pre-active"
    ACTIVE = "active"
    VERIFY_ONLY = "verify-only"
    RETIRED = "retired"


class Diversification(StrEnum):
    """How a card's security domain keys come from the issuer's master keys."""

    NONE = "none"
    VISA2 = "visa2"
    EMV_CPS = "emv-cps"
    KDF3 = "kdf3"


@dataclass(frozen=True, slots=True)
class KeyRef:
    """The name of a key inside the HSM: what it is for, whose it is, which version (0 to 255), which cipher."""

    role: KeyRole
    issuer: str
    version: int
    algorithm: Algorithm

    def __post_init__(self) -> None:
        check_owner(self.issuer, self.version)

    def __str__(self) -> str:
        return f"{self.issuer}/{self.role}/{self.version}/{self.algorithm}"

    @classmethod
    def parse(cls, text: str) -> KeyRef:
        """The name as it is written, ``province/load/1/3DES``; raises InvalidValue."""
        issuer, role, version, algorithm = [*text.split("/"), "", "", ""][:4]
        if text.count("/") != 3 or not _VERSION.fullmatch(version):
            raise InvalidValue("key", "issuer/role/version/algorithm, such as province/load/1/3DES")
        return cls(_named(KeyRole, role), issuer, int(version), _named(Algorithm, algorithm))


@dataclass(frozen=True, slots=True)
class CardKey:
    """A key of one card: the master's name and the path of factors to it."""

    ref: KeyRef
    path: Path

    def __post_init__(self) -> None:
        if len(self.path) > MAX_LEVELS or any(len(factor) != FACTOR_LENGTH for factor in self.path):
            raise InvalidValue("path", f"at most {MAX_LEVELS} factors of {FACTOR_LENGTH} bytes")

    def __repr__(self) -> str:
        return f"CardKey({self.ref}, {len(self.path)} factors)"  # the last factor is a card number


@dataclass(frozen=True, slots=True)
class KeySetRef:
    """The three keys (ENC, MAC, DEK) of a security domain: whose, which version, and how a card's are derived."""

    issuer: str
    version: int
    algorithm: Algorithm
    diversification: Diversification

    def __post_init__(self) -> None:
        check_owner(self.issuer, self.version)
        if self.diversification not in _SCHEMES[self.algorithm]:
            known = ", ".join(_SCHEMES[self.algorithm])
            raise InvalidValue("diversification", f"one of {known} for {self.algorithm}")

    def key(self, role: KeyRole) -> KeyRef:
        """The name of one of the three keys."""
        if role not in SECURITY_DOMAIN_ROLES:
            raise InvalidValue("role", "sd_enc, sd_mac or sd_dek")
        return KeyRef(role, self.issuer, self.version, self.algorithm)


def _named(kind: type[Name], value: str) -> Name:
    try:
        return kind(value)
    except ValueError:
        raise InvalidValue("key", f"one of {', '.join(kind)} in its name") from None


def check_owner(issuer: str, version: int) -> None:
    """Raise InvalidValue unless these can stand in a key's name."""
    if not _ISSUER.fullmatch(issuer):
        raise InvalidValue("issuer", "1 to 32 lower-case letters, digits and dashes")
    if type(version) is not int or not 0 <= version <= 0xFF:
        raise InvalidValue("version", "0 to 255")


_DES_SCHEMES = (Diversification.NONE, Diversification.VISA2, Diversification.EMV_CPS)
_AES_SCHEMES = (Diversification.NONE, Diversification.KDF3)
_SCHEMES: Final = {
    Algorithm.TDES: _DES_SCHEMES,
    Algorithm.SM4: (),
    Algorithm.AES128: _AES_SCHEMES,
    Algorithm.AES192: _AES_SCHEMES,
    Algorithm.AES256: _AES_SCHEMES,
}
