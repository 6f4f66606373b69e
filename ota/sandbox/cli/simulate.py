"""``ota-sandbox simulate``: tries to break the promises about money, and tells the shortest way if it can."""

from __future__ import annotations

import json
import os
import sys

import click


@click.command(short_help="Run the whole service under every fault, and look for every fen.")
@click.option("--seeds", type=click.IntRange(1), default=20, show_default=True, help="How many runs.")
@click.option(
    "--orders", type=click.IntRange(1), default=20, show_default=True, help="Customers in each run."
)
@click.option("--seed", "first", type=click.IntRange(0), default=0, show_default=True, help="The first seed.")
@click.option(
    "--database", "url", default="", help="postgresql+psycopg://… or sqlite:///FILE; memory without it."
)
@click.option("--jobs", type=click.IntRange(1), help="Processes; as many as there are cores.")
@click.option("--mutant", metavar="NAME", help="Put in a rule that is known to be wrong.")
@click.option("--list-mutants", "listing", is_flag=True, help="Name the wrong rules and end.")
@click.option("--json", "as_json", is_flag=True, help="The last line is one JSON object.")
def simulate(  # noqa: PLR0913, PLR0917  one argument per option
    seeds: int,
    orders: int,
    first: int,
    url: str,
    jobs: int | None,
    mutant: str | None,
    listing: bool,  # noqa: FBT001
    as_json: bool,  # noqa: FBT001
) -> None:
    """Run the whole service in virtual time under every fault, and look for every fen.

    Phones, terminals, gates, payments, deploys and crashes are drawn from a seed; then the faults stop, everything
    must converge, and the cards are held against orders and books. The same seed gives the same trace.

    \b
    ota-sandbox simulate --seeds 200 --orders 20 --json
    ota-sandbox simulate --seeds 200 --mutant balance-comparison

    A broken promise is told with its seed and the shortest trace that was found: --seed N --seeds 1 shows it again.
    With --database the user of the URL must be allowed to create databases: two are made beside it and dropped again.

    \b
    Exit codes: 0  every promise was kept; with --mutant: the wrong rule was not found
                1  a promise was broken; with --mutant: the wrong rule was found; or no configuration, no database
                2  an option is wrong
    """  # noqa: D301  \b keeps click from joining the lines
    # The whole platform is behind these: other commands need not wait for them.
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

    from ota.sandbox.simulation import telling  # noqa: PLC0415
    from ota.sandbox.simulation.campaign import Campaign  # noqa: PLC0415
    from ota.sandbox.simulation.mutants import MUTANTS  # noqa: PLC0415
    from ota.settings import SettingsError  # noqa: PLC0415

    if listing:
        telling.list_mutants(as_json=as_json)
        return
    if mutant is not None and mutant not in MUTANTS:
        raise click.BadParameter(f"expected one of {', '.join(MUTANTS)}", param_hint="--mutant")
    campaign = Campaign(seeds, orders, first, url, mutant)
    try:
        total = telling.run_with_progress(campaign, min(jobs or _cores(), seeds))
    except (SettingsError, SQLAlchemyError) as error:
        raise click.ClickException(str(error).splitlines()[0]) from error
    telling.tell_result(campaign, total)
    if as_json:
        click.echo(json.dumps(total.to_json()))
    sys.exit(1 if total.failed else 0)


def _cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
