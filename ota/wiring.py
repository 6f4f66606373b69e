"""Builds every object once; the only place that chooses implementations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

import sqlalchemy as sa

from ota.core.clock import Clock, SystemClock
from ota.settings import Settings, SettingsError
from ota.store import outbox, schema
from ota.store.callers import Callers
from ota.store.engine import open_engine
from ota.store.idempotency import IdempotentAnswers
from ota.store.outbox import Patience
from ota.store.phases import Store
from ota.store.replay import ReplayGuard
from ota.store.runner import Handler, JobRunner, Sweep
from ota.web import metrics
from ota.web.assertions import AssertionCheck
from ota.web.authentication import TokenDesk
from ota.web.endpoint import Blueprint
from ota.web.ports import Signer
from ota.web.tokens import Tokens


@dataclass(frozen=True, slots=True)
class Wiring:
    """Every object of the platform, connected."""

    settings: Settings
    clock: Clock
    store: Store
    callers: Callers
    idempotency: IdempotentAnswers
    tokens: Tokens
    token_desk: TokenDesk
    runner: JobRunner
    services: Mapping[type, object]
    blueprints: Sequence[Blueprint]
    checks: Mapping[str, Callable[[], object]]


def metadata() -> sa.MetaData:
    """Every table of the platform: importing the models declares them."""
    return schema.metadata


def build(settings: Settings, *, clock: Clock | None = None, signer: Signer | None = None) -> Wiring:
    """Connect everything for one process."""
    clock = clock or SystemClock()
    store = open_store(settings)
    replays = ReplayGuard(store, clock)
    callers = Callers(store)
    tokens = _tokens(settings, clock, signer or open_signer(settings))
    handlers: Mapping[str, Handler] = {}
    sweeps: Sequence[Sweep] = (replays.forget_expired, lambda: _show_backlog(store, clock))
    return Wiring(
        settings=settings,
        clock=clock,
        store=store,
        callers=callers,
        idempotency=IdempotentAnswers(store, clock),
        tokens=tokens,
        token_desk=TokenDesk(_assertions(settings, callers, replays, clock), tokens, replays, clock),
        runner=JobRunner(store, clock, handlers, sweeps, _patience(settings), metrics.count_job),
        services=MappingProxyType({}),
        blueprints=(),
        checks={"database": store.ping},
    )


def open_store(settings: Settings) -> Store:
    """The database that the settings name."""
    if not settings.database.url:
        settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    database = settings.database
    return Store(open_engine(settings.database_url, pool_size=database.pool_size, wait_s=database.wait_s))


def open_signer(settings: Settings) -> Signer:
    """The platform's signing key, where the settings say it is."""
    raise SettingsError(f"hsm.backend: {settings.hsm.backend} has no signing key")


def _show_backlog(store: Store, clock: Clock) -> None:
    with store.read() as tx:
        found = outbox.backlog(tx, clock.now())
    metrics.show_backlog(found.waiting, found.dead, found.oldest_due_s)


def _patience(settings: Settings) -> Patience:
    return Patience(lease=timedelta(seconds=settings.jobs.lease_s), max_attempts=settings.jobs.max_attempts)


def _tokens(settings: Settings, clock: Clock, signer: Signer) -> Tokens:
    return Tokens(
        signer,
        clock,
        settings.tokens.audience,
        timedelta(seconds=settings.tokens.access_life_s),
        timedelta(seconds=settings.tokens.session_life_s),
    )


def _assertions(settings: Settings, callers: Callers, replays: ReplayGuard, clock: Clock) -> AssertionCheck:
    return AssertionCheck(
        callers,
        replays,
        clock,
        settings.tokens.audience,
        timedelta(seconds=settings.tokens.assertion_life_s),
        timedelta(seconds=settings.tokens.skew_s),
    )
