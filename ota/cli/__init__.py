"""The command line's door: ``ota``. Each module holds the commands of one subject."""

from __future__ import annotations

import click

from ota.cli.audit import audit
from ota.cli.callers import callers
from ota.cli.check_config import check_config
from ota.cli.city_hosts import city_hosts
from ota.cli.database import db
from ota.cli.elements import elements
from ota.cli.jobs import jobs
from ota.cli.keys import keys
from ota.cli.ledger import ledger
from ota.cli.numbers import numbers
from ota.cli.openapi import openapi
from ota.cli.serve import serve
from ota.cli.webhooks import webhooks
from ota.cli.worker import worker


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="ota")
def main() -> None:
    """Card applications and money over the air, for the transit cards of Guangdong.

    \b
    Try it:   ota serve                 a whole platform in one process, with test keys
              ota-sandbox demo          a virtual phone gets a card and a first load
    Settings: config/base.toml, then config/<environment>.toml, then OTA_<SECTION>_<KEY>, then options.
    """  # noqa: D301  \b keeps click from joining the lines


for command in (
    serve,
    worker,
    db,
    check_config,
    callers,
    city_hosts,
    keys,
    numbers,
    ledger,
    audit,
    jobs,
    webhooks,
    elements,
    openapi,
):
    main.add_command(command)
