"""A wallet's server beside the platform: a load that did not happen, its refund with a lost answer, events in order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from ota import settings as configuration
from ota import wiring
from ota.app import create_app
from ota.core.clock import SystemClock
from ota.sandbox import credentials
from ota.sandbox.callback_server import CallbackServer, listening
from ota.sandbox.element import CREDIT, Element, Instant
from ota.sandbox.payment_desk import Mishap, PaymentDesk
from ota.sandbox.receipts import KEYS
from ota.store.caller_file import read_callers
from tests.journeys.world import Platform, World, face_of, new_element

AMOUNT = 2500


@dataclass
class Clock:
    """The real time, moved on."""

    ahead: timedelta = timedelta()

    def now(self) -> datetime:
        return SystemClock().now() + self.ahead


@dataclass
class Timed(Platform):
    """A platform whose time can be moved on, so that its pauses pass."""

    clock: Clock = field(default_factory=Clock)

    def _start(self) -> None:
        self._built = wiring.build(self.settings, clock=self.clock)
        self.app = create_app(self._built)

    def work(self, pauses: int = 12) -> None:
        """Run the jobs until none is due, and again after each pause."""
        for _ in range(pauses):
            while self._built.runner.run_due():
                pass
            self.clock.ahead += timedelta(seconds=20)

    def listens(self, caller_id: str, address: str) -> None:
        """Register where a wallet's server is."""
        known = read_callers(self.settings.config / "sandbox" / "callers.toml")
        (wallet,) = [caller for caller in known if caller.id == caller_id]
        self._built.callers.register(replace(wallet, callback_url=address), self.clock.now())


@dataclass
class Street:
    """A platform, and a wallet with its server."""

    platform: Timed
    world: World
    desk: PaymentDesk

    def card(self) -> Element:
        """A card of the wallet."""
        element = new_element()
        assert self.world.user(element).get_card("guangzhou").ok
        return element


@contextmanager
def opened(tmp_path: Path) -> Iterator[Street]:
    overrides = {"data": str(tmp_path / "data")}
    platform = Timed(configuration.load(environ={}, overrides=overrides))
    world = World(platform)
    desk = PaymentDesk(credentials.wallet(), lambda: world.api().get_public(KEYS))
    with listening(CallbackServer(desk.take)) as address:
        platform.listens("sandbox-wallet", address)
        yield Street(platform, world, desk)
    platform.close()


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    with opened(tmp_path) as made:
        yield made


def test_a_load_that_did_not_happen_goes_back_and_the_wallet_hears_of_everything(street: Street) -> None:
    element = street.card()
    element.faults.cut_inside(CREDIT, Instant.BEFORE_WRITE)
    lost = street.world.user(element).top_up(AMOUNT)
    assert lost.ending.state == "uncertain"
    element.reset()
    element.faults.clear()
    assert street.world.user(element).top_up(100).ok  # its contact proves that the first never happened
    street.desk.plan("/refunds", Mishap.ANSWER_LOST)
    street.desk.plan("/events", Mishap.LOST)
    street.desk.plan("/events", Mishap.ANSWER_LOST)

    street.world.wallet().ask_refund(lost.order_id)
    street.platform.work()

    key = street.desk.asked[0][1]
    kinds = [event["kind"] for event in street.desk.events]
    assert street.desk.asked == [("/refunds", key), ("/refunds/query", key)]
    assert list(street.desk.paid_back_fen.values()) == [AMOUNT]
    assert street.world.wallet().order(lost.order_id)["state"] == "refunded"
    assert kinds == [
        "issuance.active",
        "topup.uncertain",
        "topup.paid",
        "topup.loaded",
        "topup.refunding",
        "topup.refunded",
    ]
    assert street.desk.repeated == 1
    assert street.desk.late() == []
    assert face_of(element).balance_fen == 100


def test_what_is_sent_is_what_is_read(street: Street) -> None:
    element = street.card()
    assert street.world.user(element).top_up(AMOUNT).ok
    street.platform.work(1)

    read = street.world.wallet().events()

    names = ("event_id", "position", "card_position", "kind", "card_no", "at", "data")
    assert [{name: event[name] for name in names} for event in street.desk.events] == read["events"]
    assert read["next"] == 2
