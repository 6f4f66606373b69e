"""``ota db grant``: the rights of the role that serves."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import click

from ota import wiring
from ota.cli.installation import installation_options, load_settings, told_plainly
from ota.store import grants


@click.command(short_help="Give a role of PostgreSQL what it needs to serve.")
@click.argument("role")
@click.option("--show", is_flag=True, help="Print the SQL and change nothing.")
@installation_options
@told_plainly
def grant(role: str, *, show: bool, **installation: Any) -> None:
    """Give the PostgreSQL role ROLE what `ota serve` and `ota worker` need, and take every other right from it.

    Run it with database.url of the role that owns the tables, after each `ota db upgrade`. The rows of append-only
    tables can then be read and added, not changed or removed, and their guards not taken off: not by a server either,
    nor by whoever has got hold of its password.

    \b
    CREATE ROLE ota_owner LOGIN PASSWORD '...';      -- owns the database: upgrade, grant
    CREATE ROLE ota_serve LOGIN PASSWORD '...';      -- serves: what database.url of servers and workers names
    CREATE DATABASE ota OWNER ota_owner;
    """  # noqa: D301  \b keeps click from joining the lines
    tables = list(wiring.metadata().tables.values())
    with closing(wiring.open_store(load_settings(**installation))) as store, store.begin() as tx:
        if show:
            grants.require_postgresql(tx)
            click.echo(";\n".join(grants.statements(tx, role, tables)) + ";")
            return
        grants.give(tx, role, tables)
    click.echo(f"{role} may serve: {len(tables)} tables")
