"""``ota ledger``: the books, held against everything else, and what is in suspense."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from ota.cli.found_database import open_migrated
from ota.cli.installation import installation_options, load_settings, told_plainly
from ota.core.clock import SystemClock
from ota.reports import facts, suspense
from ota.reports.books_check import BooksReport, check_books
from ota.reports.suspense import Item
from ota.store.phases import Store

_SHOWN = 50


@click.group()
def ledger() -> None:
    """Look at the books."""


@ledger.command(short_help="Recompute the books and compare them with everything else.")
@click.option("--json", "as_json", is_flag=True, help="Print one object: sums in fen, differences.")
@installation_options
@told_plainly
def check(*, as_json: bool, **installation: Any) -> None:
    """Recompute the books from the first posting and compare them with orders, payments, loads and refunds.

    Changes nothing and may run beside a server. Exit code 1 and a list when anything differs.
    """
    with closing(open_migrated(load_settings(**installation))) as store:
        report = _checked(store, quiet=as_json)
    if as_json:
        click.echo(json.dumps(asdict(report)))
    else:
        _show_report(report)
    if report.differences:
        raise click.exceptions.Exit(1)


@ledger.command(name="suspense", short_help="List captured money whose place is not final.")
@click.option("--older-than-h", type=click.FloatRange(0), help="Only what has waited longer, hours.")
@click.option("--json", "as_json", is_flag=True, help="Print one object: total_fen, items.")
@installation_options
@told_plainly
def show_suspense(*, older_than_h: float | None, as_json: bool, **installation: Any) -> None:
    """List captured money whose place is not final: its age, the reason, and who must act."""
    now = SystemClock().now()
    with closing(open_migrated(load_settings(**installation))) as store, store.read() as tx:
        found = suspense.all_items(tx)
    if older_than_h is not None:
        found = [item for item in found if item.age(now) >= timedelta(hours=older_than_h)]
    if as_json:
        listed = [_plain(item, now) for item in found]
        click.echo(json.dumps({"total_fen": sum(item.amount_fen for item in found), "items": listed}))
    else:
        _show_items(found, now)


def _checked(store: Store, *, quiet: bool) -> BooksReport:
    with store.snapshot() as tx, Progress(console=Console(stderr=True), disable=quiet, transient=True) as bar:
        task = bar.add_task("payments", total=facts.count(tx))
        return check_books(tx, lambda payments: bar.advance(task, payments))


def _show_report(report: BooksReport) -> None:
    console = Console()
    sums = Table("", "fen", title=f"{report.payments} payments, {report.journals} journals")
    for name, value in asdict(report).items():
        if name.endswith("_fen"):
            sums.add_row(name.removesuffix("_fen").replace("_", " "), str(value))
    console.print(sums)
    for each in report.differences[:_SHOWN]:
        console.print(f"{each.subject}  {each.what}: {each.detail}", markup=False)
    if len(report.differences) > _SHOWN:
        console.print(f"… and {len(report.differences) - _SHOWN} more; --json lists them all")
    console.print(f"differences: {len(report.differences)}")


def _show_items(found: list[Item], now: datetime) -> None:
    table = Table("age", "fen", "city", "account", "reason", "owner", "payment", "order")
    for item in found:
        age = str(timedelta(seconds=int(item.age(now).total_seconds())))
        named = (item.city, item.account, item.reason, item.owner, item.payment_id, item.order_id)
        table.add_row(age, str(item.amount_fen), *named)
    console = Console()
    console.print(table)
    console.print(f"items: {len(found)}, fen: {sum(item.amount_fen for item in found)}")


def _plain(item: Item, now: datetime) -> dict[str, object]:
    return asdict(item) | {"since": item.since.isoformat(), "age_s": int(item.age(now).total_seconds())}
