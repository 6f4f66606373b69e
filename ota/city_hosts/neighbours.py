"""Cities that exchange messages with this platform, built from their files: clients to ask, and a door to be asked at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ota.cities.loader import Cities
from ota.cities.profile import City, Host
from ota.city_hosts.door import Neighbour
from ota.core.clock import Clock
from ota.hsm_adapter.city_host.client import CityHost, Wire
from ota.hsm_adapter.city_host.message_keys import MessageKey, verifiers
from ota.hsm_adapter.city_host.wire import HttpWire

WireOf = Callable[[Host], Wire]
"""Reaches a host; a test hands in one without a network."""


def http_wire(host: Host) -> Wire:
    """The host at its configured address."""
    return HttpWire(host.url, connect_s=host.connect_timeout_s, read_s=host.read_timeout_s)


def neighbours(cities: Cities, folder: Path) -> dict[str, Neighbour]:
    """Every city with a host, by its name; our keys for them are made in the data folder on first use.

    Raises InvalidValue for a public key that is none, KeyStoreDamaged for a key file that was altered.
    """
    return {city.name: _neighbour(city, host, folder) for city, host in _hosts(cities)}


def hosts(cities: Cities, known: dict[str, Neighbour], clock: Clock, wire_of: WireOf) -> dict[str, CityHost]:
    """A client for each self-issuing city, by its name."""
    return {
        city.name: CityHost(city.name, wire_of(host), known[city.name].our_key, known[city.name].keys, clock)
        for city, host in _hosts(cities)
        if city.self_issuing
    }


def _hosts(cities: Cities) -> list[tuple[City, Host]]:
    return [(city, city.host) for city in cities if city.host is not None]


def _neighbour(city: City, host: Host, folder: Path) -> Neighbour:
    keys = verifiers((key.id, key.x, key.y) for key in host.city_keys)
    return Neighbour(city.name, keys, MessageKey.open(folder, host.platform_key_id))
