"""``ota audit``: the audit trail, and the anchors that vouch for it."""

from __future__ import annotations

import json
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
from ota.store.audit_check import Finding
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
@click.option("--json", "as_json", is_flag=True, help="Print one object: entries, anchors, findings.")
@installation_options
@told_plainly
def verify(anchors: Path | None, *, as_json: bool, **installation: Any) -> None:
    """Compute every digest anew and compare; exit code 1 and a list when an entry was changed, moved or removed."""
    settings = load_settings(**installation)
    said = list(read_anchors(anchors or settings.anchor_file))
    with closing(open_migrated(settings)) as store:
        entries, findings = _verified(store, said, quiet=as_json)
    if as_json:
        listed = [asdict(finding) for finding in findings]
        click.echo(json.dumps({"entries": entries, "anchors": len(said), "findings": listed}))
    else:
        for found in findings:
            click.echo(f"{found.stream} {found.position}  {found.what}: {found.detail}")
        click.echo(f"entries: {entries}, anchors: {len(said)}, findings: {len(findings)}")
    if findings:
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


def _verified(store: Store, said: list[Any], *, quiet: bool) -> tuple[int, list[Finding]]:
    with store.snapshot() as tx, Progress(console=Console(stderr=True), disable=quiet, transient=True) as bar:
        entries = audit_check.count(tx)
        task = bar.add_task("entries", total=entries)
        return entries, audit_check.verify(tx, said, lambda rows: bar.advance(task, rows))
