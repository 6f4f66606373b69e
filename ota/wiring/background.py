"""Connects what happens without a request: jobs, sweeps that find what is due in the database, and what is told of both."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Final

from ota.city_hosts import untold
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
from ota.topup import silence
from ota.topup.jobs import SEND_REFUND, SETTLE_SILENT_LOAD
from ota.topup.loads import Loads
from ota.topup.refunds import Refunds
from ota.web.figures import Figures

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
    """What the database itself needs from time to time: days that are to come, and jobs that were lost or have died."""
    return tuple(partial(each, store, clock) for each in (_extend_calendar, silence.sweep, untold.sweep))


def figures(store: Store, clock: Clock) -> Figures:
    """What the database tells the metrics: by whoever is scraped, since the jobs may run in processes that nobody asks."""
    with store.snapshot() as tx:
        now = clock.now()
        jobs, waits, events = outbox.backlog(tx, now), suspense.items(tx), delays(tx, now)
    return Figures(
        jobs_waiting=jobs.waiting,
        jobs_dead=jobs.dead,
        jobs_oldest_due_s=jobs.oldest_due_s,
        suspense=suspense.totals(waits, now),
        events_waiting=sum(each.waiting for each in events),
        events_given_up=sum(each.given_up for each in events),
        events_oldest_s=max((each.oldest_s for each in events), default=0.0),
    )


def patience(settings: Settings) -> Patience:
    """How long a job may take, and how often it is tried."""
    return Patience(lease=timedelta(seconds=settings.jobs.lease_s), max_attempts=settings.jobs.max_attempts)


def _settle_silent_load(loads: Loads, attempt_id: str) -> None:
    loads.doubt(attempt_id, "silent")


def _extend_calendar(store: Store, clock: Clock) -> None:
    with store.begin() as tx:
        calendar.extend(tx, clock.now() + calendar.AHEAD)
