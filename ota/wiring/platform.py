"""Connects one process of the platform."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from types import MappingProxyType

from redis import Redis

from ota.cities.loader import load_cities
from ota.city_hosts.authority import HostOffice
from ota.city_hosts.door import CityDoor
from ota.city_hosts.neighbours import WireOf, hosts, http_wire, neighbours
from ota.city_hosts.news import HostNews
from ota.core.clock import Clock, SystemClock
from ota.events.service import Deliveries, Posts
from ota.hsm_adapter.ports import Hsm
from ota.hsm_adapter.sealed_channels import PURPOSE as CHANNEL_SEAL
from ota.hsm_adapter.sealed_channels import SealedChannels
from ota.hsm_adapter.software.kek import stamp
from ota.hsm_adapter.trail import TrailedHsm
from ota.settings import Settings
from ota.store.anchors import Anchors
from ota.store.callers import Callers
from ota.store.idempotency import IdempotentAnswers
from ota.store.key_uses import KeyUses
from ota.store.key_witness import DatabaseWitness
from ota.store.phases import Store
from ota.store.replay import ReplayGuard
from ota.store.runner import JobRunner, Sweep
from ota.topup.loads import Loads
from ota.topup.refund_port import WalletDesk
from ota.topup.refunds import Refunds
from ota.web import metrics
from ota.web.authentication import TokenDesk
from ota.web.endpoint import Blueprint
from ota.web.figures import Figures
from ota.web.ports import Signer
from ota.web.tokens import Tokens
from ota.wiring import background, features
from ota.wiring import callers as of_callers
from ota.wiring.blueprints import BLUEPRINTS
from ota.wiring.database import open_store
from ota.wiring.keys import open_codes, open_hsm, open_signer


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
    """What must answer before this process can work."""
    asides: Mapping[str, Callable[[], object]]
    """What is looked at beside it, and may be away."""
    figures: Callable[[], Figures]
    key_uses: KeyUses
    city_door: CityDoor


def build(
    settings: Settings,
    *,
    clock: Clock | None = None,
    signer: Signer | None = None,
    hsm: Hsm | None = None,
    desk: WalletDesk | None = None,
    posts: Posts | None = None,
    wire_of: WireOf = http_wire,
) -> Wiring:
    """Connect everything for one process; ``desk`` and ``posts`` stand for the wallets' servers, ``wire_of`` for cities' hosts."""
    clock = clock or SystemClock()
    store = open_store(settings)
    replays = ReplayGuard(store, clock)
    callers = Callers(store)
    signer = signer or open_signer(settings, clock)
    key_uses = KeyUses(store, clock)
    hsm = hsm or open_hsm(settings, DatabaseWitness(store, clock))
    hsm = TrailedHsm(SealedChannels(hsm, stamp(settings.data, CHANNEL_SEAL)), key_uses)
    tokens = of_callers.issuer_of_tokens(settings, clock, signer)
    codes = open_codes(settings)
    callbacks = of_callers.callbacks(settings, callers, signer, clock)
    desk = desk or of_callers.wallet_desk(settings, callbacks, callers)
    wait = timedelta(seconds=settings.webhooks.give_up_after_s)
    webhooks = Deliveries(store, posts or callbacks, clock, wait)
    cities = load_cities(settings.config / "cities")
    known = neighbours(cities, settings.data)
    reached = hosts(cities, known, clock, wire_of)
    news = HostNews(store, reached, clock)
    offices = {city: HostOffice(store, host, news, clock) for city, host in reached.items()}
    routing = features.routing_of(cities, hsm, offices)
    base = features.Base(settings, store, clock, signer, hsm, callers, tokens, desk, cities, routing)
    services = features.connect(base)
    loads, refunds = services[Loads], services[Refunds]
    assert isinstance(loads, Loads) and isinstance(refunds, Refunds)  # noqa: S101, PT018  built by features.connect
    handlers = background.handlers(loads, refunds, webhooks, news)
    sweeps: Sequence[Sweep] = (
        replays.forget_expired,
        lambda: callers.seal(codes.seal),
        *background.housekeeping(store, clock),
        refunds.sweep,
        webhooks.sweep,
        news.sweep,
        key_uses.flush,
        Anchors(store, clock, settings.anchor_file).write,
    )
    return Wiring(
        settings=settings,
        clock=clock,
        store=store,
        callers=callers,
        idempotency=IdempotentAnswers(store, clock),
        tokens=tokens,
        token_desk=of_callers.token_desk(settings, store, replays, tokens, codes, clock),
        runner=JobRunner(
            store,
            clock,
            handlers,
            sweeps,
            background.patience(settings),
            metrics.count_job,
            background.UNHURRIED,
        ),
        services=MappingProxyType({**services, Tokens: tokens}),
        blueprints=BLUEPRINTS,
        checks={"database": store.ping, "hsm": hsm.health},
        asides=_asides(settings),
        figures=partial(background.figures, store, clock),
        key_uses=key_uses,
        city_door=CityDoor(known.values(), replays, clock),
    )


def _asides(settings: Settings) -> dict[str, Callable[[], object]]:
    """Redis carries jobs from worker to worker; a server never asks it for anything, and losing it delays work only."""
    if not settings.redis.url:
        return {}
    return {
        "redis": Redis.from_url(settings.redis.url, socket_timeout=2, socket_connect_timeout=2).ping,
    }
