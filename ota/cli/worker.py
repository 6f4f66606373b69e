"""``ota worker``: runs the jobs through Redis, beside one or more servers."""

from __future__ import annotations

from typing import Any

import click

from ota import wiring
from ota import worker as door
from ota.cli.installation import installation_options, load_settings, told_plainly
from ota.cli.preparation import require_prepared
from ota.core.clock import SystemClock
from ota.settings import SettingsError
from ota.web.logs import configure_logging


@click.command()
@click.option("--burst", is_flag=True, help="Return when nothing is left to do.")
@installation_options
@told_plainly
def worker(*, burst: bool, **installation: Any) -> None:
    """Hand due jobs to Redis and run them until Ctrl-C or SIGTERM.

    Needs jobs.runner = "redis", redis.url and a migrated database, and refuses in production what `ota serve` refuses.
    Losing Redis only delays the work: it stands in the database.
    """
    settings = load_settings(**installation)
    configure_logging(settings.log.level)
    if settings.jobs.runner != "redis":
        raise SettingsError('jobs.runner: expected "redis"; with "embedded" the server runs its jobs itself')
    require_prepared(settings, SystemClock().now())
    door.work(wiring.build(settings), burst=burst)
