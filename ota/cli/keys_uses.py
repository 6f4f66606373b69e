"""Who uses which key: the cities and security domains whose files name it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ota.card.keys import KeyRole
from ota.card.security_domains import load_security_domains
from ota.cities.loader import load_cities
from ota.hsm_adapter.keys import CARD_ROLES, SECURITY_DOMAIN_ROLES, KeyRef
from ota.settings import Settings

_LOAD_ROLES = frozenset({KeyRole.LOAD, KeyRole.LOAD_2})


@dataclass(slots=True)
class Uses:
    """The files that name a key, by their names."""

    cities: list[str] = field(default_factory=list)
    security_domains: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        cities = f"{len(self.cities)} cities" if len(self.cities) > 3 else ", ".join(self.cities)
        return "; ".join(filter(None, (cities, ", ".join(self.security_domains))))

    def to_json(self) -> dict[str, list[str]]:
        """For machines."""
        return {"cities": self.cities, "security_domains": self.security_domains}


def uses_of_keys(settings: Settings) -> Mapping[KeyRef, Uses]:
    """Every key that the configuration names, and by whom. A domain that production never opens names none."""
    found: defaultdict[KeyRef, Uses] = defaultdict(Uses)
    for ref, city in _of_cities(settings):
        found[ref].cities.append(city)
    for ref, domain in _of_domains(settings):
        if domain not in found[ref].security_domains:
            found[ref].security_domains.append(domain)
    return found


def _of_cities(settings: Settings) -> Iterator[tuple[KeyRef, str]]:
    for city in load_cities(settings.config / "cities"):
        if city.host is not None:
            continue  # its own platform holds its keys
        for algorithm, generations in city.keys.versions.items():
            for role in sorted(CARD_ROLES):
                versions = {each.load if role in _LOAD_ROLES else each.others for each in generations}
                for version in sorted(versions):
                    yield KeyRef(role, city.keys.issuer, version, algorithm), city.name


def _of_domains(settings: Settings) -> Iterator[tuple[KeyRef, str]]:
    test_allowed = settings.environment != "production"
    for domain in load_security_domains(settings.config / "security_domains", test_allowed=test_allowed):
        if domain.test and not test_allowed:
            continue
        for role in sorted(SECURITY_DOMAIN_ROLES):
            yield KeyRef(role, domain.issuer, domain.version, domain.algorithm), domain.name
