"""What all runs of a campaign share: settings, keys, a prepared database, callers; made once, in a folder of its own."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Final

from ota import settings as configuration
from ota.cities.loader import Cities, load_cities
from ota.core.values import Fen
from ota.events.service import Posts
from ota.hsm_adapter.city_host.message_keys import MessageKey
from ota.hsm_adapter.ports import Hsm
from ota.hsm_adapter.signing import Es256Signer
from ota.hsm_adapter.software import KeyStore, SoftwareHsm
from ota.sandbox import credentials
from ota.sandbox.city_host import CityHost
from ota.sandbox.city_host_messages import Signature
from ota.sandbox.simulation.caller import Caller
from ota.sandbox.simulation.city_host import (
    HOST_CITY,
    HOST_KEY,
    PLATFORM_KEY,
    HostWire,
    VersionedHost,
    with_host,
)
from ota.sandbox.simulation.database import Database, prepared_database
from ota.sandbox.simulation.masters import ChangingKeys
from ota.sandbox.simulation.new_card import FEE_FEN
from ota.sandbox.simulation.patching import replaced
from ota.sandbox.simulation.practice import Practice, with_practice
from ota.sandbox.simulation.process import Applications, Parts
from ota.sandbox.simulation.rotation import Rotation, Stage, cities_of_stages
from ota.sandbox.simulation.schedule import START, VirtualClock
from ota.sandbox.simulation.service_desk import Staff
from ota.sandbox.simulation.signer import ReplacedSigner
from ota.sandbox.simulation.trace import Trace
from ota.sandbox.simulation.truth import Truth
from ota.settings import Settings
from ota.store.caller_file import read_callers
from ota.topup.refund_port import WalletDesk
from ota.wiring import features
from ota.wiring.keys import purse_rules

_SECOND_KEY: Final = "second-key"
_READERS: Final = {features: ("load_products", "load_security_domains")}


@dataclass(frozen=True, slots=True)
class Installation:
    """One platform, ready to be run again and again."""

    settings: Settings
    database: Database
    keys: ChangingKeys
    hsm: Hsm
    applications: Applications
    cities: Cities
    stages: dict[tuple[Practice, bool], dict[Stage, Cities]]
    """By the practice of two cities, and whether one more has a host of its own."""
    host_signature: Signature
    terminals: Sequence[tuple[str, str]]
    """Callers that are terminals, and their numbers."""
    remembered: Mapping[ModuleType, Mapping[str, Callable[..., object]]]
    """Readers of configuration files that read each file once, by the module that calls them."""

    def rotation(self, truth: Truth, trace: Trace, practice: Practice, *, hosted: bool) -> Rotation:
        """The card keys of one run, of which none is replaced yet."""
        self.keys.begin()
        return Rotation(self.keys, self.stages[practice, hosted], truth, trace)

    def city_host(self, clock: VirtualClock) -> CityHost:
        """The host of the city that has one, with empty books."""
        ours = MessageKey.open(self.settings.data, PLATFORM_KEY).public
        issuer = self.cities.by_name(HOST_CITY).issuing.issuer_code
        return VersionedHost(
            issuer, self.host_signature, {PLATFORM_KEY: ours.point}, lambda: clock.true_now().timestamp()
        )

    def parts(
        self, clock: VirtualClock, desk: WalletDesk, posts: Posts, rotation: Rotation, wire: HostWire
    ) -> Parts:
        """What the processes of one run are built from, over a fresh database."""
        folders = self.settings.data, self.settings.data / _SECOND_KEY
        signer = ReplacedSigner([Es256Signer.open(folder, clock) for folder in folders])
        engine = self.database.fresh()
        return Parts(
            self.settings,
            engine,
            clock,
            signer,
            self.hsm,
            desk,
            posts,
            self.applications,
            rotation,
            wire,
            wire.authorised,
        )

    def people(self, clock: VirtualClock, truth: Truth) -> tuple[Staff, Staff]:
        """Who decides at the service desk."""
        clerk, supervisor = (
            Staff(each, self.settings.tokens.audience, clock, truth)
            for each in (credentials.clerk(), credentials.supervisor())
        )
        return clerk, supervisor

    def callers(self, clock: VirtualClock, truth: Truth) -> dict[str, Caller]:
        """Every wallet and terminal, by name."""
        audience = self.settings.tokens.audience
        wallets = [credentials.wallet(name) for name in ("sandbox-wallet", "sandbox-wallet-2")]
        terminals = [
            credentials.terminal(name.removeprefix("sandbox-terminal-")) for name, _ in self.terminals
        ]
        everybody = wallets + terminals
        return {each.caller_id: Caller(each, audience, clock, truth) for each in everybody}

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """While a run lasts: files that do not change are not read again, and the product's log is silent."""
        with ExitStack() as stack:
            for module, readers in self.remembered.items():
                stack.enter_context(replaced(module, **readers))
            stack.enter_context(_silence())
            yield


@contextmanager
def installed(database_url: str = "") -> Iterator[Installation]:
    """Make an installation and take it away again. Raises SettingsError without a configuration folder."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ota-simulation-")))
        (folder / _SECOND_KEY).mkdir(mode=0o700)
        overrides = {"data": str(folder), "environment": "sandbox", "database.url": database_url}
        settings = configuration.load(overrides=overrides)
        database = stack.enter_context(prepared_database(settings, START))
        terminals = [
            (caller.id, caller.terminal.digits)
            for caller in read_callers(settings.config / "sandbox" / "callers.toml")
            if caller.terminal is not None
        ]
        remembered: dict[ModuleType, dict[str, Callable[..., object]]] = {
            module: {name: cache(getattr(module, name)) for name in names}
            for module, names in _READERS.items()
        }
        cities = with_fees(load_cities(settings.config / "cities"))
        signature = Signature.make(HOST_KEY)
        keys = ChangingKeys(KeyStore(settings.data, environment=settings.environment))
        yield Installation(
            settings,
            database,
            keys,
            SoftwareHsm(keys, rules=purse_rules(settings)),
            Applications(),
            cities,
            {
                (practice, hosted): cities_of_stages(
                    with_practice(with_host(cities, signature) if hosted else cities, practice)
                )
                for practice in Practice
                for hosted in (False, True)
            },
            signature,
            terminals,
            remembered,
        )


def with_fees(cities: Cities) -> Cities:
    """The cities, each with a fee for a card: in the files it is nought."""
    return Cities(replace(city, issuance_fee=Fen(FEE_FEN)) for city in cities)


@contextmanager
def _silence() -> Iterator[None]:
    """Every fault is logged by the product as it should be; thousands of them help nobody here."""
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(level)
