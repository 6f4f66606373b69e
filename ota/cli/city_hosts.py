"""``ota city-hosts``: who exchanges messages with this platform, and the keys that a city needs from us."""

from __future__ import annotations

import json
from typing import Any

import click

from ota.cities.loader import load_cities
from ota.cities.profile import City
from ota.city_hosts.door import Neighbour
from ota.city_hosts.neighbours import neighbours
from ota.cli.installation import installation_options, load_settings, told_plainly


@click.command(name="city-hosts", short_help="List cities with a host of their own, and our keys for them.")
@click.option("--json", "as_json", is_flag=True, help="Print a list of objects.")
@installation_options
@told_plainly
def city_hosts(*, as_json: bool, **installation: Any) -> None:
    """List the cities with a host of their own, and our public key for each (x and y of P-256, base64url).

    A key that a city's file names and that is not there yet is made, in the data folder.
    """
    settings = load_settings(**installation)
    cities = load_cities(settings.config / "cities")
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = neighbours(cities, settings.data)
    told = [_told(city, found[city.name]) for city in cities if city.name in found]
    if as_json:
        click.echo(json.dumps(told, ensure_ascii=False))
        return
    for each in told:
        click.echo("\n".join(f"{name:14}{value}" for name, value in each.items()) + "\n")
    click.echo(f"cities with a host: {len(told)}")


def _told(city: City, neighbour: Neighbour) -> dict[str, object]:
    x, y = neighbour.our_key.public.point
    return {
        "city": city.name,
        "url": city.host.url if city.host is not None else "",
        "answers for": "its own cards" if city.self_issuing else "nothing; it asks us",
        "city keys": ", ".join(neighbour.keys),
        "our key": neighbour.our_key.name,
        "x": x,
        "y": y,
    }
