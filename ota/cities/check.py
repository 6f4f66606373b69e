"""Every mistake in a configuration folder, found in one go: what `ota check-config` prints."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ota.card.product import Product
from ota.card.product_file import read_product
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
    products, mistakes = _check_products(folder / "cards")
    mistakes += _check_cities(folder / "cities", products)
    mistakes += _check_security_domains(folder / "security_domains")
    return [
        Finding(*(str(mistake.details[name]) for name in ("file", "key", "expected"))) for mistake in mistakes
    ]


def _check_products(folder: Path) -> tuple[dict[str, Product | None], list[ConfigurationError]]:
    """Every product by its name, None for one that cannot be read, and the mistakes."""
    products: dict[str, Product | None] = {}
    mistakes: list[ConfigurationError] = []
    for file in sorted(folder.glob("*.toml")):
        product, found = read_all(file, partial(read_product, file.stem))
        products[file.stem] = None if found else product
        mistakes += found
    if not products:
        mistakes.append(
            ConfigurationError(str(folder), "the folder", "at least one card product, as <name>.toml")
        )
    return products, mistakes


def _check_cities(folder: Path, products: Mapping[str, Product | None]) -> Iterator[ConfigurationError]:
    read: list[tuple[Path, City]] = []
    known: set[tuple[object, object]] = set()
    try:
        files = city_files(folder)
    except ConfigurationError as mistake:
        yield mistake
        return
    for file in files:
        city, mistakes = _read_city(file)
        yield from mistakes
        known |= {_place(mistake) for mistake in mistakes}
        if city is not None:
            read.append((file, city))
            yield from (m for m in _check_product(file, city, products) if _place(m) not in known)
    yield from (mistake for mistake in contradictions(read) if _place(mistake) not in known)


def _check_product(
    file: Path, city: City, products: Mapping[str, Product | None]
) -> Iterator[ConfigurationError]:
    if city.product not in products:
        yield ConfigurationError(str(file), "city.product", "one of " + ", ".join(products))
        return
    product = products[city.product]
    algorithms = {group.algorithm for group in product.key_groups} if product else set()
    for algorithm in sorted(algorithms - city.keys.versions.keys()):
        key = f"keys.versions.{algorithm}"
        yield ConfigurationError(
            str(file), key, f"key versions, since {city.product} carries {algorithm} keys"
        )
    if product and city.limits.balance_ceiling > product.purse.ceiling:
        ceiling = product.purse.ceiling.amount
        yield ConfigurationError(
            str(file), "limits.balance_ceiling_fen", f"at most the purse's ceiling, {ceiling}"
        )


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
