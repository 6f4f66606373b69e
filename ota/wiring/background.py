"""Connects what happens without a request: jobs, and sweeps that find what is due in the database."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Final

from ota.city_hosts.jobs import TELL_CITY_HOST
from ota.city_hosts.news import HostNews
from ota.core.clock import Clock
from ota.events.jobs import RESUME_FEED, TELL_WALLET
from ota.events.report import delays
from ota.events.service import Deliveries
from ota.ledger import calendar
from ota.reports import suspense
from ota.settings import Settings
from ota.store import outbox
from ota.store.outbox import Patience
from ota.store.phases import Store
from ota.store.runner import Handler, Sweep
from ota.topup.jobs import SEND_REFUND, SETTLE_SILENT_LOAD
from ota.topup.loads import Loads
from ota.topup.refunds import Refunds
from ota.web import metrics

UNHURRIED: Final = (TELL_WALLET,)
"""Jobs that go after all others: a wallet's slow server must not keep anybody's refund waiting."""


def handlers(loads: Loads, refunds: Refunds, webhooks: Deliveries, news: HostNews) -> Mapping[str, Handler]:
    """What runs each kind of job."""
    return {
        SETTLE_SILENT_LOAD: lambda attempt: _settle_silent_load(loads, attempt),
        SEND_REFUND: refunds.send,
        TELL_WALLET: webhooks.tell,
        RESUME_FEED: webhooks.resume,
        TELL_CITY_HOST: lambda load: news.deliver(load, loads.confirm),
    }


def housekeeping(store: Store, clock: Clock) -> tuple[Sweep, ...]:
    """What the database itself needs from time to time, and what the metrics show of it."""
    return tuple(
        partial(each, store, clock)
        for each in (_show_backlog, _show_suspense, _show_deliveries, _extend_calendar)
    )


def patience(settings: Settings) -> Patience:
    """How long a job may take, and how often it is tried."""
    return Patience(lease=timedelta(seconds=settings.jobs.lease_s), max_attempts=settings.jobs.max_attempts)


def _settle_silent_load(loads: Loads, attempt_id: str) -> None:
    loads.doubt(attempt_id, "silent")


def _show_backlog(store: Store, clock: Clock) -> None:
    with store.read() as tx:
        found = outbox.backlog(tx, clock.now())
    metrics.show_backlog(found.waiting, found.dead, found.oldest_due_s)


def _show_suspense(store: Store, clock: Clock) -> None:
    with store.read() as tx:
        found = suspense.items(tx)
    metrics.show_suspense(suspense.totals(found, clock.now()))


def _show_deliveries(store: Store, clock: Clock) -> None:
    with store.read() as tx:
        found = delays(tx, clock.now())
    metrics.show_deliveries(
        sum(each.waiting for each in found),
        sum(each.given_up for each in found),
        max((each.oldest_s for each in found), default=0.0),
    )


def _extend_calendar(store: Store, clock: Clock) -> None:
    with store.begin() as tx:
        calendar.extend(tx, clock.now() + calendar.AHEAD)
