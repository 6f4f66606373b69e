"""Which key set opens which security domain, and how: config/security_domains read into frozen values."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from ota.card.keys import Algorithm
from ota.core.configuration import ConfigurationError, Table
from ota.core.errors import CardProblem, NextAction

_ALGORITHMS = {
    2: frozenset({Algorithm.TDES}),
    3: frozenset({Algorithm.AES128, Algorithm.AES192, Algorithm.AES256}),
}
_COMPUTED_CHALLENGE = {
    2: 0x40,
    3: 0x10,
}  # bit of i: GP Card Spec 2.3.1 table E-1; Amendment D 1.1.2 table 5-1
_R_MAC = {2: 0x20, 3: 0x20}
_R_ENCRYPTION = {2: 0x00, 3: 0x40}
_SEQUENCE_LENGTH = {2: 2, 3: 3}


class Protocol(StrEnum):
    """Secure channel protocols: SCP02 of GP Card Spec 2.3.1 annex E, SCP03 of its Amendment D."""

    SCP02 = "02"
    SCP03 = "03"


class Level(StrEnum):
    """Security levels of a channel (GP Card Spec 2.3.1 table E-10, Amendment D 1.1.2 table 7-5)."""

    C_MAC = "01"
    C_ENC = "03"
    C_MAC_R_MAC = "11"
    C_ENC_R_MAC = "13"
    ALL = "33"


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


_SCHEMES = {
    2: frozenset({DiversificationScheme.NONE, DiversificationScheme.VISA2, DiversificationScheme.EMV_CPS}),
    3: frozenset({DiversificationScheme.NONE, DiversificationScheme.KDF3}),
}


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
    entries = parse_security_domain(name, file)
    for mistake in contradictions_within(file, entries):
        raise mistake
    return list(entries.values())


def parse_security_domain(name: str, file: Table) -> dict[str, SecurityDomain]:
    """One file, each key checked for itself: entries under their place, such as ``key_set[0].variant[1]``."""
    about = file.table("security_domain")
    aid = about.hexadecimal("aid", low=5, high=16)  # ISO 7816-5: 5 to 16 bytes
    test = about.flag("test")
    entries: dict[str, SecurityDomain] = {}
    for key_set in file.tables("key_set", at_least=1):
        entries |= _parse_key_set(name, aid, test=test, table=key_set)
    file.finish()
    return entries


def contradictions_within(file: Table, entries: Mapping[str, SecurityDomain]) -> Iterator[ConfigurationError]:
    """What keys of one file say against each other."""
    seen: set[tuple[int, int, int]] = set()
    for place, domain in entries.items():
        if domain.algorithm not in _ALGORITHMS[domain.scp]:
            expected = "3DES with scp 02; AES-128, AES-192 or AES-256 with scp 03"
            yield file.error(f"{place.partition('.')[0]}.algorithm", expected)
        if domain.diversification not in _SCHEMES[domain.scp]:
            expected = "none, visa2 or emv-cps with scp 02; none or kdf3 with scp 03"
            yield file.error(f"{place.partition('.')[0]}.diversification", expected)
        if (domain.key_version, domain.scp, domain.i) in seen:
            yield file.error(f"{place}.i", "a value that this key version and scp do not have yet")
        seen.add((domain.key_version, domain.scp, domain.i))
        yield from _check_variant(file, place, domain)


def _check_variant(file: Table, place: str, domain: SecurityDomain) -> Iterator[ConfigurationError]:
    if domain.level & 0x10 and not domain.i & _R_MAC[domain.scp]:
        yield file.error(f"{place}.level", "no R-MAC (01 or 03): this i has none")
    elif domain.level & 0x20 and not domain.i & _R_ENCRYPTION[domain.scp]:
        yield file.error(f"{place}.level", "no R-ENC (at most 13): this i has none")
    computed = bool(domain.i & _COMPUTED_CHALLENGE[domain.scp])
    if computed and domain.next_sequence is None:
        yield file.error(
            f"{place}.next_sequence", "'as_read' or 'plus_one': with this i the challenge is computed"
        )
    if domain.next_sequence is not None and not computed:
        yield file.error(f"{place}.next_sequence", "no such key: with this i the element draws its challenge")


def _parse_key_set(name: str, aid: bytes, *, test: bool, table: Table) -> dict[str, SecurityDomain]:
    protocol = table.choice("scp", Protocol)
    key_version = table.hexadecimal("key_version", low=1, high=1)[0]
    issuer = table.text("issuer", pattern=r"[a-z0-9][a-z0-9-]{0,31}", expected="an owner's name in the HSM")
    version = table.integer("version", high=255)
    algorithm = table.choice("algorithm", Algorithm)
    diversification = table.choice("diversification", DiversificationScheme)
    return {
        variant.path: SecurityDomain(
            name=name,
            aid=aid,
            test=test,
            key_version=key_version,
            issuer=issuer,
            version=version,
            algorithm=algorithm,
            diversification=diversification,
            scp=int(protocol),
            i=variant.hexadecimal("i", low=1, high=1)[0],
            level=int(variant.choice("level", Level), 16),
            next_sequence=variant.choice("next_sequence", NextSequence)
            if variant.has("next_sequence")
            else None,
        )
        for variant in table.tables("variant", at_least=1)
    }
