"""``ota jobs``: what the platform still has to do, and another try at what it has given up."""

from __future__ import annotations

import getpass
import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from ota.cli.found_database import open_migrated
from ota.cli.installation import installation_options, load_settings, told_plainly
from ota.core.clock import SystemClock
from ota.store import job_desk, outbox
from ota.store.job_desk import Listed, Mender


@click.group()
def jobs() -> None:
    """Look after the jobs: what waits, and what was given up.

    Refunds to send, cities and wallets to tell, loads that went silent.

    A job that failed jobs.max_attempts times is dead: nobody tries it any more until a person has looked. That is what
    the metric ota_jobs_dead counts.

    \b
    1. ota jobs list --dead       what was given up, and the kind of the last error
    2. the server's or worker's log under that time: why ("job ... failed")
    3. mend that
    4. ota jobs revive ID ...     and look again a minute later
    """  # noqa: D301  \b keeps click from joining the lines


@jobs.command(name="list", short_help="List jobs: dead ones first.")
@click.option("--dead", is_flag=True, help="Only those that were given up.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="At most so many.")
@click.option("--json", "as_json", is_flag=True, help="Print one object: waiting, dead, jobs.")
@installation_options
@told_plainly
def show(*, dead: bool, limit: int, as_json: bool, **installation: Any) -> None:
    """List jobs: dead ones first, then those that have waited longest.

    The state is dead (given up), due (its time has come), running (leased by a process) or later (its time has not
    come, or it failed and pauses). The age counts from when it died or fell due. A last error LeaseEnded means that
    each process that ran it ended before the job did, or that it takes longer than jobs.lease_s.
    """
    now = SystemClock().now()
    with closing(open_migrated(load_settings(**installation))) as store, store.read() as tx:
        found = job_desk.listed(tx, now, dead_only=dead, limit=limit)
        sums = outbox.backlog(tx, now)
    if as_json:
        told = [asdict(each) | {"due_at": each.due_at.isoformat()} for each in found]
        click.echo(json.dumps({"waiting": sums.waiting, "dead": sums.dead, "jobs": told}))
        return
    console = Console()
    console.print(_table(found))
    console.print(f"waiting: {sums.waiting}, dead: {sums.dead}, shown: {len(found)}")


@jobs.command(short_help="Try dead jobs again, after what stopped them was mended.")
@click.argument("ids", nargs=-1, type=click.IntRange(1), metavar="ID...")
@click.option("--all", "everything", is_flag=True, help="Every dead job, instead of ids.")
@click.option("--by", help="Who has looked, for the audit trail. [default: the login name]")
@click.option("--reason", required=True, help="What was mended, for the audit trail.")
@click.option("--json", "as_json", is_flag=True, help="Print one object: revived.")
@installation_options
@told_plainly
def revive(
    ids: Sequence[int], *, everything: bool, by: str | None, reason: str, as_json: bool, **installation: Any
) -> None:
    """Try the dead jobs ID... again, after what stopped them was mended: a new set of tries, from now on.

    Reviving is harmless: a job looks first at what is still to be done, and one that is done does nothing. With an ID
    that is no dead job nothing is revived.
    """
    if bool(ids) == everything:
        raise click.UsageError("expected ids of dead jobs (`ota jobs list --dead`), or --all")
    mender = Mender(by or getpass.getuser(), reason)
    with closing(open_migrated(load_settings(**installation))) as store, store.begin() as tx:
        found = job_desk.revive(tx, None if everything else ids, mender, SystemClock().now())
    click.echo(json.dumps({"revived": found}) if as_json else f"revived: {len(found)}")


def _table(found: Sequence[Listed]) -> Table:
    table = Table("id", "job", "subject", "state", "age s", "attempts", "last error")
    for each in found:
        figures = (each.state, each.age_s, each.attempts, each.last_error or "")
        table.add_row(str(each.id), each.job, each.subject_id, *map(str, figures))
    return table
