"""``ota elements``: secure elements that the platform has stopped knocking at."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import click

from ota.cli.found_database import open_migrated
from ota.cli.installation import installation_options, load_settings, told_plainly
from ota.core.clock import SystemClock
from ota.issuance import unblocking


@click.group()
def elements() -> None:
    """Look after secure elements that refused the platform."""


@elements.command(short_help="Try an element again, after channel_blocked.")
@click.argument("caller_id")
@click.argument("se_id")
@click.option("--chip", metavar="HEX", help="The chip that `channel_blocked` names, where it does.")
@click.option("--by", required=True, help="Who has looked, for the audit trail.")
@click.option("--reason", required=True, help="What was found, for the audit trail.")
@installation_options
@told_plainly
def unblock(caller_id: str, se_id: str, chip: str | None, by: str, reason: str, **installation: Any) -> None:
    """Try the element SE_ID of the wallet CALLER_ID again, after `channel_blocked`.

    Find out before which keys its security domain has: more failures can lock it for good.
    """
    looked = unblocking.Looked(by, reason)
    with closing(open_migrated(load_settings(**installation))) as store, store.begin() as tx:
        if not unblocking.unblock(tx, caller_id, se_id, looked, SystemClock().now(), chip):
            raise click.ClickException(
                f"no element {se_id} of the wallet {caller_id} is blocked: expected both as the wallet's orders name them"
            )
    click.echo(f"unblocked: {se_id}")
