"""``ota webhooks``: what wallets' servers have not taken, and another try at it."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import asdict
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from ota.cli.found_database import open_migrated
from ota.cli.installation import installation_options, load_settings, told_plainly
from ota.core.clock import SystemClock
from ota.events import deliveries
from ota.events.report import delays
from ota.store.callers import Callers
from ota.store.phases import Store


@click.group()
def webhooks() -> None:
    """Look after the events that are sent to wallets' servers."""


@webhooks.command()
@click.option("--json", "as_json", is_flag=True, help="Print one object: wallets.")
@installation_options
@told_plainly
def status(*, as_json: bool, **installation: Any) -> None:
    """List the wallets that have not taken everything, and for how long."""
    with closing(open_migrated(load_settings(**installation))) as store, store.read() as tx:
        found = delays(tx, SystemClock().now())
    if as_json:
        click.echo(json.dumps({"wallets": [asdict(each) for each in found]}))
        return
    table = Table("wallet", "waiting", "given up", "oldest s", "failures in a row")
    for each in found:
        figures = (each.waiting, each.given_up, round(each.oldest_s), each.failures)
        table.add_row(each.caller_id, *map(str, figures))
    console = Console()
    console.print(table)
    console.print(f"waiting: {sum(e.waiting for e in found)}, given up: {sum(e.given_up for e in found)}")


@webhooks.command(short_help="Send a wallet what was given up.")
@click.argument("caller_id")
@installation_options
@told_plainly
def retry(caller_id: str, **installation: Any) -> None:
    """Send CALLER_ID what was given up, once its server is back, in the order of each card.

    Events that came later may have arrived before: their positions tell.
    """
    with closing(open_migrated(load_settings(**installation))) as store:
        if Callers(store).find(caller_id) is None:
            raise click.ClickException(
                f"there is no wallet {caller_id}: `ota webhooks status` lists who waits"
            )
        count = _armed_again(store, caller_id)
    click.echo(f"sent again: {count}")


def _armed_again(store: Store, caller_id: str) -> int:
    with store.begin() as tx:
        return deliveries.arm_again(tx, caller_id, SystemClock().now())
