"""Every city of a folder, checked against each other, and the way from a card number to its city."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from ota.cities.city_file import read_city
from ota.cities.errors import CardOutsideProvince, CityUnknown
from ota.cities.profile import City
from ota.core.configuration import ConfigurationError, Table
from ota.core.values import CardNumber, CityCode


class Cities:
    """The cities by card number, code and name. Immutable; safe to share between threads."""

    def __init__(self, cities: Iterable[City]) -> None:
        self._cities = tuple(sorted(cities, key=lambda city: city.code.code))
        self._by_prefix = {prefix.prefix: city for city in self._cities for prefix in city.prefixes}
        self._lengths = sorted({len(prefix) for prefix in self._by_prefix}, reverse=True)
        self._by_code = {city.code: city for city in self._cities}
        self._by_name: dict[str, City] = {}
        for city in self._cities:
            self._by_name |= dict.fromkeys((city.name, city.name_zh, city.code.code), city)

    def __iter__(self) -> Iterator[City]:
        return iter(self._cities)

    def __len__(self) -> int:
        return len(self._cities)

    def of_card(self, card: CardNumber) -> City:
        """The city that issues this number: the longest prefix wins. Raises CardOutsideProvince.

        The city may be closed: `City.require_live` belongs before anything new is promised.
        """
        for length in self._lengths:
            city = self._by_prefix.get(card.digits[:length])
            if city is not None:
                return city
        raise CardOutsideProvince

    def of_code(self, code: CityCode) -> City:
        """The city of a clearing area code; raises CityUnknown."""
        try:
            return self._by_code[code]
        except KeyError:
            raise CityUnknown from None

    def by_name(self, name: str) -> City:
        """The city of a pinyin name, a Chinese name or a clearing area code; raises CityUnknown."""
        try:
            return self._by_name[name.strip().lower()]
        except KeyError:
            raise CityUnknown from None


def city_files(folder: Path) -> list[Path]:
    """The city files of a folder, in the order of their names; raises ConfigurationError when there are none."""
    files = sorted(folder.glob("*.toml"))
    if not files:
        raise ConfigurationError(str(folder), "the folder", "at least one city, as <pinyin>.toml")
    return files


def city_name(file: Path) -> str:
    """The pinyin name that a city is called by: its file's; raises ConfigurationError."""
    if not re.fullmatch(r"[a-z][a-z0-9_-]*", file.stem, re.ASCII):
        raise ConfigurationError(str(file), "the file's name", "the city in pinyin, lower case")
    return file.stem


def load_cities(folder: Path) -> Cities:
    """Read every ``<pinyin>.toml`` of a folder; the first mistake raises ConfigurationError.

    `ota check-config` lists all mistakes instead of the first (`ota.cities.check`).
    """
    cities = [(file, read_city(city_name(file), Table.load(file))) for file in city_files(folder)]
    for mistake in contradictions(cities):
        raise mistake
    return Cities(city for _, city in cities)


def contradictions(cities: Sequence[tuple[Path, City]]) -> Iterator[ConfigurationError]:
    """What no single file can show: the same code, name or numbers claimed twice."""
    yield from _claimed_twice(cities)
    owners: dict[str, City] = {}
    for file, city in cities:
        for number, prefix in enumerate(city.prefixes):
            key = f"iin[{number}].prefix"
            if prefix.prefix in owners:
                other = owners[prefix.prefix].name
                yield ConfigurationError(
                    str(file), key, f"numbers of its own; {prefix.prefix} belongs to {other}"
                )
            owners.setdefault(prefix.prefix, city)
    for file, city in cities:
        yield from _undeclared_carve_outs(file, city, owners)


def _claimed_twice(cities: Sequence[tuple[Path, City]]) -> Iterator[ConfigurationError]:
    claims: dict[str, Callable[[City], str]] = {
        "city.clearing_code": lambda city: city.code.code,
        "city.division_code": lambda city: city.division_code,
        "city.name_zh": lambda city: city.name_zh,
        "city.name_en": lambda city: city.name_en,
    }
    for key, claim in claims.items():
        seen: dict[str, City] = {}
        for file, city in cities:
            other = seen.setdefault(claim(city), city)
            if other is not city:
                yield ConfigurationError(str(file), key, f"a value of its own; {other.name} has the same")


def _undeclared_carve_outs(file: Path, city: City, owners: dict[str, City]) -> Iterator[ConfigurationError]:
    """A prefix inside another one must say so: then the longest wins on purpose, not by accident."""
    for number, prefix in enumerate(city.prefixes):
        around = [other for other in owners if other != prefix.prefix and prefix.prefix.startswith(other)]
        nearest = max(around, key=len, default=None)
        if nearest != prefix.within:
            expected = f"within = {nearest!r}" if nearest else "no `within`: nobody has that prefix"
            yield ConfigurationError(str(file), f"iin[{number}].within", expected)
