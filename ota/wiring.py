"""Builds every object once; the only place that chooses implementations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import MappingProxyType

import sqlalchemy as sa
from redis import Redis

from ota.card.keys import KeyRole
from ota.card.product_file import load_products
from ota.card.security_domains import load_security_domains
from ota.cities.loader import Cities, load_cities
from ota.city_hosts import models as city_hosts_models
from ota.city_hosts import routes as city_hosts_routes
from ota.city_hosts.authority import HostOffice
from ota.city_hosts.door import CityDoor
from ota.city_hosts.jobs import TELL_CITY_HOST
from ota.city_hosts.neighbours import WireOf, hosts, http_wire, neighbours
from ota.city_hosts.news import HostNews
from ota.city_hosts.schemas import read_load
from ota.city_hosts.service import CityLoads
from ota.core.clock import Clock, SystemClock
from ota.dialogue import models as dialogue_models
from ota.dialogue import routes as dialogue_routes
from ota.dialogue.plan import Plan
from ota.dialogue.service import Sessions
from ota.events import models as events_models
from ota.events import routes as events_routes
from ota.events.callback import CallbackOf, Callbacks
from ota.events.jobs import TELL_WALLET
from ota.events.report import delays
from ota.events.service import Deliveries, Events, Posts
from ota.hsm_adapter.failover import FailoverHsm
from ota.hsm_adapter.keys import KeyRef
from ota.hsm_adapter.one_time_codes import OneTimeCodes
from ota.hsm_adapter.pkcs11 import Pkcs11Hsm, Sm4Mechanisms, TokenPlace
from ota.hsm_adapter.pkcs11.softhsm import use_folder_of
from ota.hsm_adapter.ports import Exposure, Hsm
from ota.hsm_adapter.routing import PROVINCE, AuthorityOffice, HsmOffice, Routing
from ota.hsm_adapter.sealed_channels import PURPOSE as CHANNEL_SEAL
from ota.hsm_adapter.sealed_channels import SealedChannels
from ota.hsm_adapter.signing import Es256Signer
from ota.hsm_adapter.software import KeyStore, SoftwareHsm
from ota.hsm_adapter.software.kek import stamp
from ota.hsm_adapter.software.witness import StoreWitness
from ota.hsm_adapter.trail import TrailedHsm
from ota.issuance import models as issuance_models
from ota.issuance import plan as issuance_plan
from ota.issuance import routes as issuance_routes
from ota.issuance.building import Building
from ota.issuance.channels import Doors
from ota.issuance.clearing import Clearing
from ota.issuance.plan import IssuancePlan
from ota.issuance.proof import CardProof
from ota.issuance.records import Records
from ota.issuance.service import Issuances
from ota.ledger import calendar
from ota.ledger import models as ledger_models
from ota.registry import models as registry_models
from ota.registry import routes as registry_routes
from ota.registry.service import Cards
from ota.reports import suspense
from ota.service_desk import models as service_desk_models
from ota.service_desk import routes as service_desk_routes
from ota.service_desk.service import Decisions
from ota.settings import Settings, SettingsError
from ota.store import audit as audit_models
from ota.store import outbox, schema
from ota.store.anchors import Anchors
from ota.store.callers import Callers
from ota.store.engine import open_engine
from ota.store.idempotency import IdempotentAnswers
from ota.store.key_uses import KeyUses
from ota.store.key_witness import DatabaseWitness
from ota.store.outbox import Patience
from ota.store.phases import Store
from ota.store.replay import ReplayGuard
from ota.store.runner import Handler, JobRunner, Sweep
from ota.store.second_factor import SecondFactors
from ota.terminal import routes as terminal_routes
from ota.terminal.day import TerminalDays
from ota.terminal.receipts import LoadReceipts
from ota.terminal.service import TerminalLoads
from ota.topup import models as topup_models
from ota.topup import plan as topup_plan
from ota.topup import refund_wire
from ota.topup import routes as topup_routes
from ota.topup.first_load import FirstLoads
from ota.topup.jobs import SEND_REFUND, SETTLE_SILENT_LOAD
from ota.topup.loads import Loads
from ota.topup.plan import TopupPlan
from ota.topup.refund_port import WalletDesk
from ota.topup.refund_wire import HttpWalletDesk
from ota.topup.refunds import Refunds
from ota.topup.rules import ConfiguredRules
from ota.topup.service import Topups
from ota.topup.vault import LoadVault
from ota.web import metrics
from ota.web.assertions import AssertionCheck
from ota.web.authentication import TokenDesk
from ota.web.endpoint import Blueprint
from ota.web.ports import Signer
from ota.web.signed_facts import SignedFacts
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
    key_uses: KeyUses
    city_door: CityDoor


MODELS = (
    dialogue_models,
    issuance_models,
    ledger_models,
    registry_models,
    topup_models,
    events_models,
    city_hosts_models,
    service_desk_models,
    audit_models,
)
"""Importing them declares their tables."""

BLUEPRINTS: Sequence[Blueprint] = (
    issuance_routes.offers,
    issuance_routes.blueprint,
    topup_routes.blueprint,
    dialogue_routes.blueprint,
    registry_routes.blueprint,
    events_routes.blueprint,
    terminal_routes.blueprint,
    city_hosts_routes.blueprint,
    service_desk_routes.blueprint,
)


def metadata() -> sa.MetaData:
    """Every table of the platform."""
    return schema.metadata


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
    tokens = _tokens(settings, clock, signer)
    codes = open_codes(settings)
    callbacks = Callbacks(_callback_of(callers), signer, clock, settings.tokens.audience)
    desk = desk or _wallet_desk(settings, callbacks, callers)
    wait = timedelta(seconds=settings.webhooks.give_up_after_s)
    webhooks = Deliveries(store, posts or callbacks, clock, wait)
    cities = load_cities(settings.config / "cities")
    known = neighbours(cities, settings.data)
    reached = hosts(cities, known, clock, wire_of)
    news = HostNews(store, reached, clock)
    offices = {city: HostOffice(store, host, news, clock) for city, host in reached.items()}
    routing = _routing(cities, hsm, offices)
    features = _features(_Base(settings, store, clock, signer, hsm, callers, tokens, desk, cities, routing))
    loads, refunds = features[Loads], features[Refunds]
    assert isinstance(loads, Loads) and isinstance(refunds, Refunds)  # noqa: S101, PT018  built by _features
    handlers: Mapping[str, Handler] = {
        SETTLE_SILENT_LOAD: lambda attempt: _settle_silent_load(loads, attempt),
        SEND_REFUND: refunds.send,
        TELL_WALLET: webhooks.tell,
        TELL_CITY_HOST: lambda load: news.deliver(load, loads.confirm),
    }
    sweeps: Sequence[Sweep] = (
        replays.forget_expired,
        lambda: callers.seal(codes.seal),
        lambda: _show_backlog(store, clock),
        lambda: _show_suspense(store, clock),
        lambda: _extend_calendar(store, clock),
        lambda: _show_deliveries(store, clock),
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
        token_desk=TokenDesk(
            _assertions(settings, callers, replays, clock), tokens, SecondFactors(store, clock), codes, clock
        ),
        runner=JobRunner(store, clock, handlers, sweeps, _patience(settings), metrics.count_job),
        services=MappingProxyType({**features, Tokens: tokens}),
        blueprints=BLUEPRINTS,
        checks=_checks(settings, store, hsm),
        key_uses=key_uses,
        city_door=CityDoor(known.values(), replays, clock),
    )


def _checks(settings: Settings, store: Store, hsm: Hsm) -> dict[str, Callable[[], object]]:
    """What must answer before this process can work."""
    checks: dict[str, Callable[[], object]] = {"database": store.ping, "hsm": hsm.health}
    if settings.redis.url:
        checks["redis"] = Redis.from_url(settings.redis.url, socket_timeout=2, socket_connect_timeout=2).ping
    return checks


@dataclass(frozen=True, slots=True)
class _Base:
    """What the features stand on."""

    settings: Settings
    store: Store
    clock: Clock
    signer: Signer
    hsm: Hsm
    callers: Callers
    tokens: Tokens
    desk: WalletDesk
    cities: Cities
    routing: Routing


def _features(base: _Base) -> dict[type, object]:
    """Connect the features, lower layers first."""
    settings, store, clock, signer, hsm = base.settings, base.store, base.clock, base.signer, base.hsm
    cities = base.cities
    products = load_products(settings.config / "cards")
    test_allowed = settings.environment != "production"
    domains = load_security_domains(settings.config / "security_domains", test_allowed=test_allowed)
    audience = settings.tokens.audience

    rules = ConfiguredRules(cities, products)
    vault = LoadVault(base.routing, rules)
    topups = Topups(store, rules, SignedFacts(base.callers, audience), clock)
    loads = Loads(store, vault, rules, clock)
    load_plan = TopupPlan(topups, loads)
    first_loads = FirstLoads(topups, loads, load_plan)

    issuances = Issuances(store, cities, products, first_loads, clock)
    doors, records = Doors(domains, hsm), Records(clock, first_loads)
    clearing = Clearing(hsm, doors, records)
    building = Building(store, hsm, CardProof(vault.check_mac1), first_loads, clearing, records)
    issue_plan = IssuancePlan(issuances, doors, hsm, building, clearing, records)

    plans: Mapping[str, Plan] = {topup_plan.PLAN: load_plan, issuance_plan.PLAN: issue_plan}
    unused_after = timedelta(seconds=settings.refunds.unused_after_s) or None
    services = (
        topups,
        loads,
        Refunds(store, base.desk, clock, unused_after),
        issuances,
        Sessions(store, plans, base.tokens, signer, clock, audience),
        Cards(store),
        Events(store),
        TerminalLoads(store, topups, loads),
        CityLoads(store, cities, vault, read_load, clock),
        TerminalDays(store),
        LoadReceipts(signer, clock, audience),
        Decisions(store, clock),
    )
    return {type(service): service for service in services}


def _routing(cities: Cities, hsm: Hsm, offices: Mapping[str, AuthorityOffice]) -> Routing:
    """Who answers for a card: the provincial HSM holds the keys of every city that has no host of its own."""
    names = {city.authority for city in cities}
    return Routing(lambda card: cities.of_card(card).authority, names, {PROVINCE: HsmOffice(hsm), **offices})


def _settle_silent_load(loads: Loads, attempt_id: str) -> None:
    loads.doubt(attempt_id, "silent")


def open_store(settings: Settings) -> Store:
    """The database that the settings name."""
    if not settings.database.url:
        settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    database = settings.database
    return Store(open_engine(settings.database_url, pool_size=database.pool_size, wait_s=database.wait_s))


def open_signer(settings: Settings, clock: Clock) -> Signer:
    """The platform's signing key, in the data folder."""
    return Es256Signer.open(settings.data, clock)


def open_codes(settings: Settings) -> OneTimeCodes:
    """The second factors, sealed under the data folder's key-encryption key."""
    return OneTimeCodes.open(settings.data)


def open_hsm(settings: Settings, witness: StoreWitness | None = None) -> Hsm:
    """The HSM that the settings name; ``witness`` remembers the software HSM's key store."""
    exposure = maximum_exposure(settings)
    if settings.hsm.backend == "software":
        return SoftwareHsm.open(
            settings.data,
            environment=settings.environment,
            maximum_exposure=exposure,
            administrator=key_administrator(settings),
            witness=witness,
        )
    open_token = partial(
        Pkcs11Hsm.open,
        environment=settings.environment,
        maximum_exposure=exposure,
        sm4=sm4_mechanisms(settings),
    )
    place = token_place(settings)
    if not settings.hsm.standby_token:
        return open_token(place)
    standby = TokenPlace(place.module, settings.hsm.standby_token, Path(settings.hsm.standby_pin_file))
    openers = {each.label: partial(open_token, each) for each in (place, standby)}
    return FailoverHsm(openers, _keys_in_use(settings))


def open_key_store(settings: Settings, store: Store, *, older_taken: bool = False) -> KeyStore:
    """The key store of the data folder, held to what the settings and the database know of it; see `KeyStore`."""
    return KeyStore(
        settings.data,
        environment=settings.environment,
        administrator=key_administrator(settings),
        witness=DatabaseWitness(store, SystemClock()),
        older_taken=older_taken,
    )


def key_administrator(settings: Settings) -> bytes | None:
    """The public key of who alone may change the key store, where the settings name one."""
    return bytes.fromhex(settings.hsm.key_administrator) or None


def _keys_in_use(settings: Settings) -> Sequence[KeyRef]:
    """The keys of loads that the cities name: what two HSMs must both hold."""
    roles = (KeyRole.LOAD, KeyRole.TAC)
    cities = load_cities(settings.config / "cities")
    names = {
        KeyRef(role, city.keys.issuer, city.key_version(role, algorithm, generation.load), algorithm)
        for city in cities
        for algorithm, generations in city.keys.versions.items()
        for generation in generations
        for role in roles
    }
    return sorted(names, key=str)


def token_place(settings: Settings) -> TokenPlace:
    """The PKCS#11 token that the settings name; a SoftHSM token of the data folder is found there."""
    hsm = settings.hsm
    if not (hsm.pkcs11_module and hsm.pkcs11_token and hsm.pin_file):
        raise SettingsError(
            "hsm.backend is pkcs11: expected hsm.pkcs11_module, hsm.pkcs11_token, hsm.pin_file"
        )
    use_folder_of(settings.data)
    return TokenPlace(Path(hsm.pkcs11_module), hsm.pkcs11_token, Path(hsm.pin_file))


def sm4_mechanisms(settings: Settings) -> Sm4Mechanisms | None:
    """A vendor's numbers for SM4, where they are given."""
    hsm = settings.hsm
    numbers = (hsm.pkcs11_sm4_key_type, hsm.pkcs11_sm4_ecb_encrypt_data, hsm.pkcs11_sm4_cbc)
    return Sm4Mechanisms(*numbers) if all(numbers) else None


def maximum_exposure(settings: Settings) -> Exposure:
    """How much of a card key this deployment lets out of its HSM."""
    return Exposure[settings.hsm.maximum_exposure.upper()]


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


def _callback_of(callers: Callers) -> CallbackOf:
    """Where each wallet has registered that its server listens."""

    def callback_of(caller_id: str) -> str | None:
        found = callers.find(caller_id)
        return None if found is None or found.disabled else found.callback_url

    return callback_of


def _wallet_desk(settings: Settings, callbacks: Callbacks, callers: Callers) -> WalletDesk:
    return HttpWalletDesk(callbacks, SignedFacts(callers, settings.tokens.audience, refund_wire.ANSWER_TYPE))


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
