"""``ota audit``: the audit trail, and the anchors that vouch for it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress

from ota.cli.found_database import open_migrated
from ota.cli.installation import installation_options, load_settings, told_plainly
from ota.core.clock import SystemClock
from ota.store import audit_check
from ota.store.anchors import Anchors, read_anchors
from ota.store.audit_check import Verdict, Witness
from ota.store.phases import Store


@click.group()
def audit() -> None:
    """Look after the audit trail."""


@audit.command(short_help="Compute every digest anew and compare.")
@click.option(
    "--anchors",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File of anchors, such as a copy kept elsewhere. [default: audit.anchor_file]",
)
@click.option(
    "--restore",
    "known",
    multiple=True,
    metavar="ID",
    help="A restore that you know of (`ota db restored` told its id); may be given more than once.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print one object: entries, anchors, restores, findings."
)
@installation_options
@told_plainly
def verify(anchors: Path | None, known: Sequence[str], *, as_json: bool, **installation: Any) -> None:
    """Compute every digest anew and compare; exit code 1 and a list when an entry was changed, moved or removed.

    What a restored backup did not hold is missing too, and rightly. But whoever may write to the database may also
    write that there was a restore: each one by which anchors no longer count is a finding until its id is given with
    --restore. Keep the ids where you keep the copy of the anchors, not in the database.
    """
    settings = load_settings(**installation)
    said = list(read_anchors(anchors or settings.anchor_file))
    witness = Witness(SystemClock().now(), said, known)
    with closing(open_migrated(settings)) as store:
        entries, verdict = _verified(store, witness, quiet=as_json)
    if as_json:
        told = asdict(verdict) | {"entries": entries, "anchors": len(said)}
        click.echo(json.dumps(told, default=str))
    else:
        _show(verdict)
        click.echo(f"entries: {entries}, anchors: {len(said)}, findings: {len(verdict.findings)}")
    if verdict.findings:
        raise click.exceptions.Exit(1)


@audit.command(short_help="Write the newest digests to the file of anchors.")
@installation_options
@told_plainly
def anchor(**installation: Any) -> None:
    """Write the newest digest of every stream that has moved to the file of anchors, as the server does each minute."""
    settings = load_settings(**installation)
    with closing(open_migrated(settings)) as store:
        written = Anchors(store, SystemClock(), settings.anchor_file).write()
    click.echo(f"anchors written: {written}")


def _show(verdict: Verdict) -> None:
    for gone in verdict.restores:
        who = "known" if gone.known else "NOT KNOWN"
        moment = f"{gone.at:%Y-%m-%d %H:%M:%S} UTC"
        click.echo(
            f"restore {gone.restore_id} of {moment} by {gone.actor}, {who}: anchors set aside: {gone.anchors}"
        )
    for found in verdict.findings:
        click.echo(f"{found.stream} {found.position}  {found.what}: {found.detail}")


def _verified(store: Store, witness: Witness, *, quiet: bool) -> tuple[int, Verdict]:
    with store.snapshot() as tx, Progress(console=Console(stderr=True), disable=quiet, transient=True) as bar:
        entries = audit_check.count(tx)
        task = bar.add_task("entries", total=entries)
        return entries, audit_check.verify(tx, witness, lambda rows: bar.advance(task, rows))
