"""``ota db``: the database's tables."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import click

from ota import wiring
from ota.cli.found_database import open_found
from ota.cli.grants import grant
from ota.cli.installation import installation_options, load_settings, told_plainly
from ota.cli.restored import restored
from ota.store.migrations import current, newest, upgrade


@click.group()
def db() -> None:
    """Look after the database."""


@db.command(name="upgrade", short_help="Run the migrations that this version needs.")
@installation_options
@told_plainly
def upgrade_database(**installation: Any) -> None:
    """Run the migrations that this version needs; safe to repeat and to run from several machines at once."""
    store = wiring.open_store(load_settings(**installation))
    try:
        before = current(store.engine)
        upgrade(store.engine)
    finally:
        store.close()
    click.echo(f"database: {before or 'empty'} -> {newest()}")


@db.command(short_help="Say which version the database is at.")
@installation_options
@told_plainly
def status(**installation: Any) -> None:
    """Say which version the database is at; exit code 1 when migrations are missing."""
    store = open_found(load_settings(**installation))
    found = None
    if store is not None:
        with closing(store):
            found = current(store.engine)
    click.echo(f"database: {found or 'empty'}, expected: {newest()}")
    if found != newest():
        raise click.exceptions.Exit(1)


db.add_command(grant)
db.add_command(restored)
