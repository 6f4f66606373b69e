"""Which key set opens which security domain, and how: config/security_domains read into frozen values."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from ota.card.keys import Algorithm
from ota.core.configuration import ConfigurationError, Table
from ota.core.errors import CardProblem, NextAction

_ONE_BYTE = r"[0-9A-Fa-f]{2}"
_ALGORITHMS = {
    "02": frozenset({Algorithm.TDES}),
    "03": frozenset({Algorithm.AES128, Algorithm.AES192, Algorithm.AES256}),
}
_COMPUTED_CHALLENGE = {
    2: 0x40,
    3: 0x10,
}  # bit of i: GP Card Spec 2.3.1 table E-1; Amendment D 1.1.2 table 5-1
_R_MAC = {2: 0x20, 3: 0x20}
_R_ENCRYPTION = {2: 0x00, 3: 0x40}
_SEQUENCE_LENGTH = {2: 2, 3: 3}


class DiversificationScheme(StrEnum):
    """How a security domain's keys come out of the master keys and the element's diversification data."""

    NONE = "none"
    VISA2 = "visa2"
    EMV_CPS = "emv-cps"
    KDF3 = "kdf3"


class NextSequence(StrEnum):
    """How the counter of the next channel follows from the one that was read."""

    AS_READ = "as_read"
    PLUS_ONE = "plus_one"


class SecurityDomainUnknown(CardProblem):
    """No file describes a security domain of this AID, so nobody here holds its keys."""

    code = "security_domain_unknown"
    next_action = NextAction.NONE
    english = "The platform has no keys for this security domain."
    chinese = "平台没有该安全域的密钥。"


class KeyVersionUnknown(CardProblem):
    """The security domain is known, this key version of it is not."""

    code = "key_version_unknown"
    next_action = NextAction.NONE
    english = "The platform does not have this key version of the security domain."
    chinese = "平台没有该安全域此版本的密钥。"


class SecureChannelNotAllowed(CardProblem):
    """The key set is known, this protocol or variant is not on its list."""

    code = "secure_channel_not_allowed"
    next_action = NextAction.NONE
    english = "This secure channel protocol or variant is not allowed for the key version."
    chinese = "该密钥版本不允许使用此安全通道协议或选项。"


class PublishedKeysRefused(CardProblem):
    """The security domain is opened by published test keys, which production does not use."""

    code = "test_keys_refused"
    next_action = NextAction.NONE
    english = "This security domain has published test keys; they are refused here."
    chinese = "该安全域使用公开的测试密钥, 此环境拒绝使用。"


@dataclass(frozen=True, slots=True)
class SecurityDomain:
    """A security domain as one key set and one variant of a secure channel protocol open it."""

    name: str
    """The name of its file."""
    aid: bytes
    test: bool
    """Whether its keys are published test keys."""
    key_version: int
    """As the element states it in INITIALIZE UPDATE."""
    issuer: str
    """The owner's name of the master keys inside the HSM."""
    version: int
    """The version of the master keys inside the HSM."""
    algorithm: Algorithm
    diversification: DiversificationScheme
    scp: int
    """Secure channel protocol, 2 or 3."""
    i: int
    """The protocol's parameter i."""
    level: int
    """Security level to ask for in EXTERNAL AUTHENTICATE (GP Card Spec 2.3.1 E.5.2.3)."""
    next_sequence: NextSequence | None
    """None where the element draws its challenge, so that nothing can be predicted."""

    def predicted_sequence(self, read: bytes) -> bytes | None:
        """The counter that the next INITIALIZE UPDATE will return, from the one just read (GET DATA 00C1).

        None when the challenge cannot be predicted: it is drawn, or the counter has not this protocol's length
        (2 bytes for SCP02, 3 for SCP03).
        """
        length = _SEQUENCE_LENGTH[self.scp]
        if self.next_sequence is None or len(read) != length:
            return None
        step = 1 if self.next_sequence is NextSequence.PLUS_ONE else 0
        return ((int.from_bytes(read, "big") + step) % (1 << 8 * length)).to_bytes(length, "big")


class SecurityDomains:
    """Every security domain that the platform can open. Immutable."""

    def __init__(self, domains: Iterable[SecurityDomain], *, test_allowed: bool) -> None:
        self._domains = tuple(domains)
        self._test_allowed = test_allowed

    def __iter__(self) -> Iterator[SecurityDomain]:
        return iter(self._domains)

    def find(self, sd_aid: bytes, key_version: int, scp: int, i: int) -> SecurityDomain:
        """How to open this security domain.

        Raises SecurityDomainUnknown, PublishedKeysRefused, KeyVersionUnknown or SecureChannelNotAllowed.
        """
        of_aid = [domain for domain in self._domains if domain.aid == sd_aid]
        if not of_aid:
            raise SecurityDomainUnknown
        if of_aid[0].test and not self._test_allowed:
            raise PublishedKeysRefused
        of_version = [domain for domain in of_aid if domain.key_version == key_version]
        if not of_version:
            raise KeyVersionUnknown
        for domain in of_version:
            if (domain.scp, domain.i) == (scp, i):
                return domain
        raise SecureChannelNotAllowed


def load_security_domains(folder: Path, *, test_allowed: bool) -> SecurityDomains:
    """Read every file of a folder; the first mistake raises ConfigurationError.

    Without `test_allowed` (production) a domain with test keys is known by name but never opened.
    """
    files = sorted(folder.glob("*.toml"))
    if not files:
        raise ConfigurationError(str(folder), "the folder", "at least one security domain, as <name>.toml")
    found: list[SecurityDomain] = []
    for file in files:
        domains = read_security_domain(file.stem, Table.load(file))
        if any(other.aid == domains[0].aid for other in found):
            raise ConfigurationError(
                str(file), "security_domain.aid", "an AID that no other file of the folder has"
            )
        found += domains
    return SecurityDomains(found, test_allowed=test_allowed)


def read_security_domain(name: str, file: Table) -> list[SecurityDomain]:
    """One file: an entry for each variant of each key set, in the file's order. Raises ConfigurationError."""
    about = file.table("security_domain")
    aid = about.hexadecimal("aid", low=5, high=16)  # ISO 7816-5: 5 to 16 bytes
    test = about.flag("test")
    key_sets = file.tables("key_set", at_least=1)
    domains = [entry for key_set in key_sets for entry in _read_key_set(name, aid, test=test, table=key_set)]
    file.finish()
    seen: set[tuple[int, int, int]] = set()
    for domain in domains:
        if (domain.key_version, domain.scp, domain.i) in seen:
            raise file.error("key_set", "each key version with each scp and i once")
        seen.add((domain.key_version, domain.scp, domain.i))
    return domains


def _read_key_set(name: str, aid: bytes, *, test: bool, table: Table) -> list[SecurityDomain]:
    scp = table.text("scp", pattern="02|03", expected="'02' or '03'")
    algorithm = table.choice("algorithm", Algorithm)
    if algorithm not in _ALGORITHMS[scp]:
        raise table.error("algorithm", "3DES with scp 02; AES-128, AES-192 or AES-256 with scp 03")
    key_version = int(table.text("key_version", pattern=_ONE_BYTE, expected="1 byte as hex digits"), 16)
    issuer = table.text("issuer")
    version = table.integer("version", high=255)
    diversification = table.choice("diversification", DiversificationScheme)
    return [
        SecurityDomain(
            name=name,
            aid=aid,
            test=test,
            key_version=key_version,
            issuer=issuer,
            version=version,
            algorithm=algorithm,
            diversification=diversification,
            scp=int(scp),
            i=i,
            level=_read_level(variant, int(scp), i),
            next_sequence=_read_next_sequence(variant, int(scp), i),
        )
        for variant in table.tables("variant", at_least=1)
        for i in [variant.hexadecimal("i", low=1, high=1)[0]]
    ]


def _read_level(variant: Table, scp: int, i: int) -> int:
    text = variant.text("level", pattern="01|03|11|13|33", expected="'01', '03', '11', '13' or '33'")
    level = int(text, 16)
    if level & 0x10 and not i & _R_MAC[scp]:
        raise variant.error("level", "no R-MAC (01 or 03): this i has none")
    if level & 0x20 and not i & _R_ENCRYPTION[scp]:
        raise variant.error("level", "no R-ENC (at most 13): this i has none")
    return level


def _read_next_sequence(variant: Table, scp: int, i: int) -> NextSequence | None:
    if i & _COMPUTED_CHALLENGE[scp]:
        return variant.choice("next_sequence", NextSequence)
    if variant.has("next_sequence"):
        raise variant.error("next_sequence", "no such key: with this i the element draws its challenge")
    return None
