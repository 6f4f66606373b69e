"""Connects the features, lower layers first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from ota.card.product_file import load_products
from ota.card.security_domains import load_security_domains
from ota.cities.loader import Cities
from ota.city_hosts.schemas import read_load
from ota.city_hosts.service import CityLoads
from ota.core.clock import Clock
from ota.dialogue.plan import Plan
from ota.dialogue.service import Sessions
from ota.events.service import Events
from ota.hsm_adapter.ports import Hsm
from ota.hsm_adapter.routing import PROVINCE, AuthorityOffice, HsmOffice, Routing
from ota.issuance import plan as issuance_plan
from ota.issuance.building import Building
from ota.issuance.channels import Doors
from ota.issuance.clearing import Clearing
from ota.issuance.plan import IssuancePlan
from ota.issuance.proof import CardProof
from ota.issuance.records import Records
from ota.issuance.service import Issuances
from ota.registry.service import Cards
from ota.service_desk.service import Decisions
from ota.settings import Settings
from ota.store.callers import Callers
from ota.store.phases import Store
from ota.terminal.day import TerminalDays
from ota.terminal.receipts import LoadReceipts
from ota.terminal.service import TerminalLoads
from ota.topup import plan as topup_plan
from ota.topup.first_load import FirstLoads
from ota.topup.loads import Loads
from ota.topup.plan import TopupPlan
from ota.topup.refund_port import WalletDesk
from ota.topup.refunds import Refunds
from ota.topup.rules import ConfiguredRules
from ota.topup.service import Topups
from ota.topup.vault import LoadVault
from ota.web.ports import Signer
from ota.web.signed_facts import SignedFacts
from ota.web.tokens import Tokens


@dataclass(frozen=True, slots=True)
class Base:
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


def connect(base: Base) -> dict[type, object]:
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

    doors, records = Doors(domains, hsm), Records(clock, first_loads)
    issuances = Issuances(store, cities, products, doors, first_loads, clock)
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


def routing_of(cities: Cities, hsm: Hsm, offices: Mapping[str, AuthorityOffice]) -> Routing:
    """Who answers for a card: the provincial HSM holds the keys of every city that has no host of its own."""
    names = {city.authority for city in cities}
    return Routing(lambda card: cities.of_card(card).authority, names, {PROVINCE: HsmOffice(hsm), **offices})
