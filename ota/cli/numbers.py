"""``ota numbers``: the inventory of card numbers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.progress import track
from rich.table import Table

from ota.cities.loader import Cities, load_cities
from ota.cities.profile import City
from ota.cli.found_database import open_migrated
from ota.cli.installation import installation_options, load_settings, told_plainly
from ota.cli.preparation import is_made_up
from ota.core.clock import SystemClock
from ota.core.errors import InvalidValue, OtaError
from ota.core.values import CardNumber
from ota.registry import numbers as inventory
from ota.registry.states import NumberState
from ota.store.phases import Store

_CHUNK: Final = 5_000
_MAX_COUNT: Final = 10_000_000


@click.group()
def numbers() -> None:
    """Look after the inventory of card numbers. A number is given to one card, once."""


@numbers.command(name="import", short_help="Put numbers into the inventory.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False)
@click.option("--city", help="City in pinyin, in Chinese, or by its clearing code; needed with --from.")
@click.option(
    "--from", "first", type=click.IntRange(0), help="First serial of a range, the ten digits after the IIN."
)
@click.option(
    "--count",
    type=click.IntRange(1, _MAX_COUNT),
    default=1_000,
    show_default=True,
    help="Numbers in the range.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one object: given, added, known.")
@installation_options
@told_plainly
def import_numbers(
    file: Path | None, city: str | None, first: int | None, count: int, *, as_json: bool, **installation: Any
) -> None:
    """Put numbers into the inventory: those of FILE (19 digits a line), or a range of one city.

    \b
    ota numbers import block-2026-11.txt
    ota numbers import --city guangzhou --from 1000000000 --count 50000

    Numbers that are known already stay as they are, so an import may be repeated.
    """  # noqa: D301  \b keeps click from joining the lines
    if (file is None) == (city is None or first is None):
        raise click.UsageError("give either FILE, or --city with --from")
    settings = load_settings(**installation)
    cities = load_cities(settings.config / "cities")
    given = _read(file, cities) if file is not None else _range(cities.by_name(city or ""), first or 0, count)
    if settings.environment == "production":
        given = _real(given)
    with closing(open_migrated(settings)) as store:
        total, added = _add(store, given)
    if as_json:
        click.echo(json.dumps({"given": total, "added": added, "known": total - added}))
    else:
        click.echo(f"{added} numbers added, {total - added} were known already")


@numbers.command()
@click.option(
    "--json", "as_json", is_flag=True, help="Print a list of objects: city, name, free, held, bound, retired."
)
@installation_options
@told_plainly
def status(*, as_json: bool, **installation: Any) -> None:
    """Show how many numbers each city has, by state."""
    settings = load_settings(**installation)
    cities = load_cities(settings.config / "cities")
    with closing(open_migrated(settings)) as store, store.read() as tx:
        counts = {(city, state): count for city, state, count in inventory.stock(tx)}
    rows = [
        {"city": city.code.code, "name": city.name}
        | {str(state): counts.get((city.code.code, state), 0) for state in NumberState}
        for city in cities
    ]
    if as_json:
        click.echo(json.dumps(rows))
    else:
        _show(rows)


def _show(rows: list[dict[str, Any]]) -> None:
    table = Table("city", "name", *(str(state) for state in NumberState))
    for row in rows:
        low = "[red]" if row[str(NumberState.FREE)] == 0 else ""
        table.add_row(*(f"{low}{value}" for value in row.values()))
    Console().print(table)


def _read(file: Path, cities: Cities) -> Iterator[tuple[City, CardNumber]]:
    """The numbers of a file, each with its city; raises InvalidValue naming the line, never the number."""
    with file.open(encoding="ascii", errors="replace") as lines:
        for number, line in enumerate(lines, start=1):
            text = line.strip()
            if not text or text.startswith("#"):
                continue
            try:
                card = CardNumber(text)
                yield cities.of_card(card), card
            except OtaError as error:
                raise InvalidValue(
                    f"{file.name}, line {number}", "19 digits that a city of the province issues"
                ) from error


def _real(given: Iterator[tuple[City, CardNumber]]) -> Iterator[tuple[City, CardNumber]]:
    """The same numbers; raises InvalidValue at one that sandboxes make up, which production would not start with."""
    for city, card in given:
        if is_made_up(city, card):
            raise InvalidValue(
                "numbers",
                f"none of the block that sandboxes start with ({city.name}: 9000000000 and 199 after it)",
            )
        yield city, card


def _range(city: City, first: int, count: int) -> Iterator[tuple[City, CardNumber]]:
    return ((city, city.number(serial)) for serial in range(first, first + count))


def _add(store: Store, given: Iterator[tuple[City, CardNumber]]) -> tuple[int, int]:
    """Add in chunks, each a phase of its own, so that a long import blocks nobody; returns (given, added)."""
    total = added = 0
    now = SystemClock().now()
    chunks = iter(lambda: list(islice(given, _CHUNK)), [])
    for chunk in track(chunks, description="importing", console=Console(stderr=True), transient=True):
        with store.begin() as tx:
            for city in {city.code: city for city, _ in chunk}.values():
                own = (card for owner, card in chunk if owner.code == city.code)
                added += inventory.add(tx, city.code, own, now)
        total += len(chunk)
    return total, added
