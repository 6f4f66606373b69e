"""Every mistake in a configuration folder, found in one go: what `ota check-config` prints."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ota.card.security_domains import SecurityDomain, parse_security_domain
from ota.card.security_domains import contradictions_within as domain_contradictions
from ota.cities.city_file import contradictions_within, parse_city
from ota.cities.collecting import CollectingTable, read_all, top_table
from ota.cities.loader import city_files, city_name, contradictions
from ota.cities.profile import City
from ota.core.configuration import ConfigurationError


@dataclass(frozen=True, slots=True)
class Finding:
    """One mistake: where it is and what was expected there."""

    file: str
    key: str
    expected: str

    def __str__(self) -> str:
        return f"{self.file}: {self.key}: expected {self.expected}"


def check_config(folder: Path) -> list[Finding]:
    """Read cities, cards and security domains under a folder; an empty list says that all is well."""
    mistakes = [*_check_cities(folder), *_check_security_domains(folder / "security_domains")]
    return [
        Finding(*(str(mistake.details[name]) for name in ("file", "key", "expected"))) for mistake in mistakes
    ]


def _check_cities(folder: Path) -> Iterator[ConfigurationError]:
    read: list[tuple[Path, City]] = []
    known: set[tuple[object, object]] = set()
    try:
        files = city_files(folder / "cities")
    except ConfigurationError as mistake:
        yield mistake
        return
    for file in files:
        city, mistakes = _read_city(file)
        yield from mistakes
        known |= {_place(mistake) for mistake in mistakes}
        if city is not None:
            read.append((file, city))
    yield from (mistake for mistake in contradictions(read) if _place(mistake) not in known)


def _place(mistake: ConfigurationError) -> tuple[object, object]:
    return mistake.details["file"], mistake.details["key"]


def _read_city(file: Path) -> tuple[City | None, list[ConfigurationError]]:
    try:
        name = city_name(file)
    except ConfigurationError as mistake:
        return None, [mistake]

    def read(table: CollectingTable) -> City:
        city = parse_city(name, table)
        unread = frozenset(top_table(mistake) for mistake in table.mistakes)
        table.mistakes += contradictions_within(table, city, unread)
        return city

    return read_all(file, read)


def _check_security_domains(folder: Path) -> Iterator[ConfigurationError]:
    files = sorted(folder.glob("*.toml"))
    if not files:
        yield ConfigurationError(str(folder), "the folder", "at least one security domain, as <name>.toml")
    aids: set[bytes] = set()
    for file in files:
        domains, mistakes = read_all(file, _read_security_domain)
        yield from mistakes
        for aid in {domain.aid for domain in domains or ()}:
            if aid in aids:
                yield ConfigurationError(
                    str(file), "security_domain.aid", "an AID that no other file of the folder has"
                )
            aids.add(aid)


def _read_security_domain(table: CollectingTable) -> list[SecurityDomain]:
    entries = parse_security_domain(Path(table.file).stem, table)
    if not table.mistakes:
        table.mistakes += domain_contradictions(table, entries)
    return list(entries.values())
