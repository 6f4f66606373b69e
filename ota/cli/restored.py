"""``ota db restored``: what must be said before a restored database serves again."""

from __future__ import annotations

import getpass
import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict
from typing import Any, NoReturn

import click

from ota.cli.found_database import open_filled
from ota.cli.installation import installation_options, load_settings, told_plainly
from ota.core.clock import SystemClock
from ota.service_desk import restoration
from ota.service_desk.restoration import SKIPPED_NUMBERS, Report
from ota.store.migrations import upgrade
from ota.store.phases import Store

_QUESTION = "Stop every server and worker first. Put all this in question? / 请先停止所有服务进程。确认执行? "


@click.command(short_help="Say that the database was restored from a backup.")
@click.option("--by", help="Who says so, for the audit trail. [default: the login name]")
@click.option(
    "--skip-numbers",
    type=click.IntRange(0),
    default=SKIPPED_NUMBERS,
    show_default=True,
    help="How many of each city's next card numbers may have been given out since the backup: they are never used.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print one object: what was put in question; needs --yes."
)
@installation_options
@told_plainly
def restored(by: str | None, skip_numbers: int, *, yes: bool, as_json: bool, **installation: Any) -> None:
    """Tell the platform that its database was restored from a backup, before it serves again.

    Cards, wallets and phones know what happened since the backup; the database does not. So everything that may have
    changed waits for two people: orders whose money was captured and not finished are held, loads need more proof than a
    counter, refunds are asked about before they are sent, cards being made are only looked at, proposals that wait for a
    second person are rejected, and card numbers that may have been given out are retired. Shows what that is, asks, and
    does it in one transaction.

    Then compare with the wallets' lists and decide: docs/operations.md, "After a restore".

    数据库从备份恢复后、重新提供服务前执行: 将备份之后状态可能已变化的订单、写卡、退款、开卡及卡号全部置为待人工复核; 未批准的提议一律驳回。
    """
    if as_json and not yes:
        raise click.UsageError("--json needs --yes")
    settings = load_settings(**installation)
    with closing(open_filled(settings)) as store:
        upgrade(store.engine)
        do = _doer(store, by or getpass.getuser(), skip_numbers)
        if not yes:
            _show(do(keep=False))
            click.confirm(_QUESTION, abort=True)
        report = do(keep=True)
    if as_json:
        click.echo(json.dumps(asdict(report), default=str))
    else:
        _show(report)
        click.echo(f"Done / 已完成: {report.restore_id}")
        click.echo(
            f"Keep this id beside the copy of the anchors / 请与锚点副本一并保存: ota audit verify --restore {report.restore_id}"
        )


class _NotKept(Exception):
    """Everything was only tried."""


def _doer(store: Store, actor: str, skip: int) -> Callable[..., Report]:
    """Does it, or tries it and rolls it back, so that what is shown beforehand is what would be done."""

    def do(*, keep: bool) -> Report:
        report = None
        try:
            with store.begin() as tx:
                report = restoration.restore(tx, actor, skip, SystemClock().now())
                if not keep:
                    _undo()
        except _NotKept:
            pass
        assert report is not None  # noqa: S101  set before either way out
        return report

    return do


def _undo() -> NoReturn:
    raise _NotKept


def _show(report: Report) -> None:
    newest = "nothing / 无" if report.backup_at is None else f"{report.backup_at:%Y-%m-%d %H:%M:%S} UTC"
    lines = {
        "newest step in the database / 数据库最新记录": newest,
        "orders held / 待复核充值订单": report.orders,
        "loads that need more than a counter / 需额外证明的写卡": report.attempts,
        "refunds asked about before they are sent / 发送前先查询的退款": report.refunds,
        "cards being made, only looked at / 仅查看的开卡订单": report.issuances,
        "proposals rejected / 驳回的待复核提议": report.proposals,
        "card numbers retired / 停用卡号": sum(report.numbers.values()),
    }
    for what, count in lines.items():
        click.echo(f"{what}: {count}")
