"""Which key set opens which security domain."""

import shutil
from pathlib import Path

import pytest

from ota.card.keys import Algorithm
from ota.card.security_domains import (
    DiversificationScheme,
    KeyVersionUnknown,
    PublishedKeysRefused,
    SecureChannelNotAllowed,
    SecurityDomainUnknown,
    load_security_domains,
)
from ota.core.configuration import ConfigurationError
from ota.core.errors import CardProblem

SHIPPED = Path(__file__).parents[2] / "config/security_domains"
PLATFORM = bytes.fromhex("D156000158534400")
ISSUER = bytes.fromhex("A000000151000000")

KEY_SETS = [
    (0x20, 2, (0x15, 0x55), Algorithm.TDES, DiversificationScheme.VISA2),
    (0x30, 3, (0x00, 0x10, 0x60, 0x70), Algorithm.AES128, DiversificationScheme.KDF3),
    (0x31, 3, (0x00, 0x10, 0x60, 0x70), Algorithm.AES192, DiversificationScheme.KDF3),
    (0x32, 3, (0x00, 0x10, 0x60, 0x70), Algorithm.AES256, DiversificationScheme.KDF3),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHIPPED, tmp_path / "security_domains"))


def spoil(folder: Path, old: str, new: str) -> None:
    file = folder / "platform.toml"
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.mark.parametrize(("key_version", "scp", "variants", "algorithm", "scheme"), KEY_SETS)
def test_the_platforms_domain_is_opened_by_diversified_keys(
    key_version: int, scp: int, variants: tuple[int, ...], algorithm: Algorithm, scheme: DiversificationScheme
) -> None:
    domains = load_security_domains(SHIPPED, test_allowed=False)

    found = [domains.find(PLATFORM, key_version, scp, i) for i in variants]

    assert {domain.algorithm for domain in found} == {algorithm}
    assert {domain.diversification for domain in found} == {scheme}
    assert {(domain.issuer, domain.version, domain.test) for domain in found} == {
        ("platform", key_version, False)
    }


@pytest.mark.parametrize(("key_version", "scp", "variants", "algorithm", "_scheme"), KEY_SETS)
def test_the_issuers_domain_has_test_keys_without_diversification(
    key_version: int,
    scp: int,
    variants: tuple[int, ...],
    algorithm: Algorithm,
    _scheme: DiversificationScheme,
) -> None:
    domains = load_security_domains(SHIPPED, test_allowed=True)

    found = [domains.find(ISSUER, key_version, scp, i) for i in variants]

    assert {domain.algorithm for domain in found} == {algorithm}
    assert {domain.diversification for domain in found} == {DiversificationScheme.NONE}
    assert {(domain.issuer, domain.version, domain.test) for domain in found} == {
        ("gp-test", key_version, True)
    }


def test_test_keys_are_refused_where_they_are_not_allowed() -> None:
    domains = load_security_domains(SHIPPED, test_allowed=False)

    with pytest.raises(PublishedKeysRefused, match="published test keys"):
        domains.find(ISSUER, 0x30, 3, 0x70)


@pytest.mark.parametrize(
    ("aid", "key_version", "scp", "i", "error"),
    [
        (bytes.fromhex("A000000003000000"), 0x30, 3, 0x70, SecurityDomainUnknown),
        (PLATFORM, 0x01, 3, 0x70, KeyVersionUnknown),
        (PLATFORM, 0x30, 3, 0x01, SecureChannelNotAllowed),
        (PLATFORM, 0x30, 2, 0x15, SecureChannelNotAllowed),
    ],
)
def test_what_cannot_be_opened_says_why(
    aid: bytes, key_version: int, scp: int, i: int, error: type[CardProblem]
) -> None:
    domains = load_security_domains(SHIPPED, test_allowed=True)

    with pytest.raises(error) as caught:
        domains.find(aid, key_version, scp, i)

    assert caught.value.problem_code == error.code


def test_the_error_codes_are_those_that_callers_know() -> None:
    codes = [error.code for error in (SecurityDomainUnknown, KeyVersionUnknown, SecureChannelNotAllowed)]

    assert codes == ["security_domain_unknown", "key_version_unknown", "secure_channel_not_allowed"]


@pytest.mark.parametrize(
    ("key_version", "scp", "i", "read", "predicted"),
    [
        (0x20, 2, 0x15, "0007", None),
        (0x20, 2, 0x55, "0007", "0007"),
        (0x20, 2, 0x55, "000007", None),
        (0x30, 3, 0x60, "00002A", None),
        (0x30, 3, 0x70, "00002A", "00002B"),
        (0x30, 3, 0x70, "FFFFFF", "000000"),
        (0x30, 3, 0x10, "", None),
    ],
)
def test_the_next_counter_follows_from_the_one_read(
    key_version: int, scp: int, i: int, read: str, predicted: str | None
) -> None:
    domain = load_security_domains(SHIPPED, test_allowed=False).find(PLATFORM, key_version, scp, i)

    sequence = domain.predicted_sequence(bytes.fromhex(read))

    assert sequence == (None if predicted is None else bytes.fromhex(predicted))


@pytest.mark.parametrize(("read", "predicted"), [("00002A", "00002A"), ("FFFFFF", "FFFFFF")])
def test_an_element_may_tell_the_counter_that_it_will_use(folder: Path, read: str, predicted: str) -> None:
    spoil(
        folder,
        'i = "10" # challenge computed from the counter\nlevel = "03"\nnext_sequence = "plus_one"',
        'i = "10"\nlevel = "03"\nnext_sequence = "as_read"',
    )

    domain = load_security_domains(folder, test_allowed=False).find(PLATFORM, 0x30, 3, 0x10)

    assert domain.predicted_sequence(bytes.fromhex(read)) == bytes.fromhex(predicted)


MISTAKES = [
    ("D156000158534400", "D1560001", "security_domain.aid: expected 5 to 16 bytes as hex digits"),
    ("test = false", "test = 0", "security_domain.test: expected true or false"),
    ('scp = "02"', 'scp = "2"', "key_set[0].scp: expected one of '02', '03'"),
    ('scp = "02"', 'scp = "03"', "key_set[0].algorithm: expected 3DES with scp 02; AES-128"),
    ('key_version = "20"', 'key_version = "2"', "key_set[0].key_version: expected 1 bytes as hex digits"),
    ('issuer = "platform"', 'issuer = "Platform"', "key_set[0].issuer: expected an owner's name in the HSM"),
    ("version = 32 ", "version = 256 ", "key_set[0].version: expected a whole number from 0 to 255"),
    ('"visa2"', '"kdf3"', "key_set[0].diversification: expected none, visa2 or emv-cps with scp 02"),
    ('i = "55"', 'i = "15"', "key_set[0].variant[1].i: expected a value that this key version and scp do not have yet"),
    ('level = "03"', 'level = "13"', "key_set[0].variant[0].level: expected no R-MAC (01 or 03)"),
    ('i = "60"\nlevel = "33"', 'i = "20"\nlevel = "33"', "key_set[1].variant[2].level: expected no R-ENC (at most 13)"),
    ('next_sequence = "as_read"', "", "key_set[0].variant[1].next_sequence: expected 'as_read' or 'plus_one'"),
    ('i = "15"', 'next_sequence = "as_read"\ni = "15"', "key_set[0].variant[0].next_sequence: expected no such key"),
    ("test = false", "test = false\ntests = true", "security_domain.tests: expected no such key here"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "message"), MISTAKES, ids=[message for _, _, message in MISTAKES])
def test_a_mistake_is_named_by_file_key_and_expectation(
    folder: Path, old: str, new: str, message: str
) -> None:
    spoil(folder, old, new)

    with pytest.raises(ConfigurationError) as caught:
        load_security_domains(folder, test_allowed=True)

    assert str(caught.value).startswith(f"{folder / 'platform.toml'}: {message}")


def test_two_files_for_one_domain_are_refused(folder: Path) -> None:
    spoil(folder, "D156000158534400", "A000000151000000")

    with pytest.raises(ConfigurationError, match="an AID that no other file of the folder has"):
        load_security_domains(folder, test_allowed=True)


def test_a_folder_without_domains_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="at least one security domain"):
        load_security_domains(tmp_path, test_allowed=True)


def test_every_domain_can_be_listed() -> None:
    domains = load_security_domains(SHIPPED, test_allowed=True)

    assert {domain.name for domain in domains} == {"platform", "issuer-test"}
