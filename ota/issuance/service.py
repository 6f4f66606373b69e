"""What a wallet may do with an issuance: ask whether, order, look, call off."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from ota.card.keys import Algorithm
from ota.card.product import Product
from ota.cities.loader import Cities
from ota.cities.profile import City
from ota.core.clock import Clock
from ota.core.errors import Busy, NotFound
from ota.core.ids import new_id
from ota.core.principal import Principal
from ota.core.values import CARD_ZONE, CardNumber, Fen
from ota.dialogue.element import Opening
from ota.issuance import chips, openings, orders
from ota.issuance.channels import Door, Doors
from ota.issuance.errors import ElementTaken, FeeNotDue, FeeNotPaid, IssuanceInQuestion
from ota.issuance.first_load import Cashier, SignedPayment
from ota.issuance.orders import IssuanceOrder
from ota.issuance.script import Script
from ota.issuance.states import ISSUANCE, IssuanceEvent, IssuanceState
from ota.registry import cards, numbers
from ota.store import history
from ota.store.idempotency import KeyReused
from ota.store.phases import Store


@dataclass(frozen=True, slots=True)
class FirstLoad:
    """Money that goes onto the card as soon as it is active."""

    amount: Fen
    payment: str


@dataclass(frozen=True, slots=True)
class NewIssuance:
    """What a wallet orders: a card of a city for an element."""

    city: str
    se_id: str
    payment: str | None = None
    first_load: FirstLoad | None = None

    @property
    def digest(self) -> str:
        """A fingerprint of everything that was asked for: the same Idempotency-Key stands for no other order."""
        load = self.first_load
        asked = [self.city, self.se_id, self.payment, load and load.amount.amount, load and load.payment]
        return hashlib.sha256(json.dumps(asked).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class _Paid:
    """The payments that came with an order, their signatures checked."""

    fee: SignedPayment | None
    first_load: SignedPayment | None


@dataclass(frozen=True, slots=True)
class Eligibility:
    """Whether an element may take a card of a city now, and what stands against it."""

    city: City
    conflicts: tuple[str, ...]


class Issuances:
    """Issuance orders of wallets."""

    def __init__(
        self,
        store: Store,
        cities: Cities,
        products: Mapping[str, Product],
        doors: Doors,
        cashier: Cashier,
        clock: Clock,
    ) -> None:
        self._store = store
        self._cities = cities
        self._products = products
        self._doors = doors
        self._cashier = cashier
        self._clock = clock

    def offers(self) -> list[tuple[City, Product]]:
        """Every live city with the product that it issues."""
        return [(city, self._products[city.product]) for city in self._cities if city.live]

    def eligibility(self, caller: Principal, city_name: str, se_id: str) -> Eligibility:
        """Look whether an order would be taken; promises nothing. Raises CityUnknown."""
        city = self._cities.by_name(city_name)
        with self._store.read() as tx:
            conflicts = [] if city.live else ["city_not_live"]
            if any(card.product == city.product for card in cards.on_element(tx, caller.id, se_id)):
                conflicts.append("card_on_element")
            if any(order.product == city.product for order in orders.unfinished(tx, caller.id, se_id)):
                conflicts.append("order_open")
            if not numbers.has_free(tx, city.code):
                conflicts.append("numbers_exhausted")
        return Eligibility(city, tuple(conflicts))

    def order(
        self, caller: Principal, key: str, wanted: NewIssuance, opening: Opening | None = None
    ) -> IssuanceOrder:
        """Make an order and hold a card number for it; the same key gives the same order again.

        ``opening``: of the session that follows at once; what would refuse it refuses the order, before it is paid. Raises
        CityUnknown, CityNotLive, ElementTaken, FeeNotPaid, FeeNotDue, NumbersExhausted, KeyReused, and the errors of
        payments and of doors.
        """
        city = self._cities.by_name(wanted.city).require_live()
        if opening is not None:
            self._require_door(caller, wanted.se_id, city, opening)
        paid = self._read_payments(caller, wanted, city)
        try:
            with self._store.begin() as tx:
                known = orders.by_key(tx, caller.id, key)
                if known is None:
                    _require_the_fee(city, wanted)  # of an order that is there already it was asked before
                    return self._insert(tx, caller, key, wanted, city, paid)
        except (
            IntegrityError
        ) as error:  # somebody was faster: with the key, the element, the number or the payment
            raise Busy from error
        if known.request_digest != wanted.digest:
            raise KeyReused  # an order whose session could not be opened leaves its key free at the door
        return known

    def get(self, caller: Principal, order_id: str) -> IssuanceOrder:
        """The caller's order; raises NotFound for anybody else's."""
        with self._store.read() as tx:
            return _own(orders.get(tx, order_id), caller)

    def unfinished(self, caller: Principal, se_id: str) -> list[IssuanceOrder]:
        """The caller's orders for an element that still need a session."""
        with self._store.read() as tx:
            return orders.unfinished(tx, caller.id, se_id)

    def cancel(self, caller: Principal, order_id: str) -> IssuanceOrder:
        """Call an order off. One that may be on the element already is cleared in its next session.

        Raises IssuanceInQuestion after a restore: the card may be there, with money on it.
        """
        now = self._clock.now()
        with self._store.begin() as tx:
            order = _own(orders.lock(tx, order_id), caller)
            if order.state in (IssuanceState.ABANDONED, IssuanceState.ROLLING_BACK):
                return order
            if order.is_in_question:
                raise IssuanceInQuestion
            if orders.was_on_the_element(tx, order_id):
                return _contact_lost(tx, order, self._clock).step(tx, IssuanceEvent.ROLL_BACK_STARTED, now)
            self._give_back(tx, order.card, now)
            self._cashier.card_not_made(tx, order.id)
            return order.step(tx, IssuanceEvent.CANCELLED, now)

    def enter(self, order: IssuanceOrder, door: Door) -> IssuanceOrder:
        """Before the element is talked to: raises ChannelBlocked; an order that was there before is uncertain."""
        with self._store.begin() as tx:
            openings.require_unblocked(tx, door)
            order = orders.lock(tx, order.id)
            return _contact_lost(tx, order, self._clock) if orders.was_on_the_element(tx, order.id) else order

    def may_predict(self, order: IssuanceOrder, door: Door) -> bool:
        """Whether a batch may leave for a chip that only the phone has named: on its way nothing can be taken back."""
        chip = door.chip
        assert chip is not None  # noqa: S101  it was predicted
        with self._store.read() as tx:
            is_open = openings.is_untouched(tx, door) and chips.fits(order, chip)
            return is_open and not chips.has_another_card(tx, order, chip)

    def meets_another_card(self, order: IssuanceOrder, door: Door) -> bool:
        """Whether the chip that has answered bears another order's active card."""
        chip = door.chip
        assert chip is not None  # noqa: S101  it has answered
        with self._store.read() as tx:
            return chips.has_another_card(tx, order, chip)

    def script(
        self, order: IssuanceOrder, max_apdu: int, key_versions: Mapping[Algorithm, int] | None = None
    ) -> Script:
        """The commands that make this order's card, for a channel that takes ``max_apdu`` data bytes.

        ``key_versions``: see `Script`.
        """
        city = self._cities.of_code(order.city)
        return Script(order, city, self._products[order.product], max_apdu, key_versions)

    def applications(self, order: IssuanceOrder) -> list[str]:
        """The names of the applications on the card."""
        return [application.name for application in self._products[order.product].applications]

    def _give_back(self, tx: Connection, number: CardNumber, now: datetime) -> None:
        """A number that money was ever ordered for is spent: it must never reach whoever has the number next."""
        spend = numbers.retire if self._cashier.knows_number(tx, number) else numbers.release
        spend(tx, number, now)

    def _require_door(self, caller: Principal, se_id: str, city: City, opening: Opening) -> None:
        door = self._doors.of_element(opening.element, caller.id, se_id)
        door.require_level(self._products[city.product].minimum_level)
        with self._store.begin() as tx:
            openings.require_unblocked(tx, door)

    def _read_payments(self, caller: Principal, wanted: NewIssuance, city: City) -> _Paid:
        """Check the signatures while no phase is open: they are looked up in a phase of their own."""
        fee = wanted.payment if city.issuance_fee else None
        load = wanted.first_load.payment if wanted.first_load is not None else None
        return _Paid(
            self._cashier.read_payment(caller, fee) if fee is not None else None,
            self._cashier.read_payment(caller, load) if load is not None else None,
        )

    def _insert(
        self, tx: Connection, caller: Principal, key: str, wanted: NewIssuance, city: City, paid: _Paid
    ) -> IssuanceOrder:
        there = any(card.product == city.product for card in cards.on_element(tx, caller.id, wanted.se_id))
        coming = any(
            order.product == city.product for order in orders.unfinished(tx, caller.id, wanted.se_id)
        )
        if there or coming:
            raise ElementTaken
        now = self._clock.now()
        order_id = new_id("iss")
        number = numbers.hold(tx, city.code, order_id, now)
        order = IssuanceOrder(
            id=order_id,
            caller_id=caller.id,
            idempotency_key=key,
            city=city.code,
            product=city.product,
            se_id=wanted.se_id,
            card=number,
            state=IssuanceState.REQUESTED,
            fee=city.issuance_fee,
            first_load_id=self._first_load(tx, caller, wanted.first_load, paid, order_id, number),
            request_digest=wanted.digest,
            issued_on=now.astimezone(CARD_ZONE).date(),
            created_at=now,
        )
        orders.insert(tx, order)
        history.record(
            tx,
            kind="issuance",
            subject_id=order_id,
            before=None,
            event="requested",
            after=IssuanceState.REQUESTED,
            at=now,
        )
        if paid.fee is not None:
            self._cashier.book_fee(tx, caller, order_id, city.code, city.issuance_fee, paid.fee)
        return order.step(tx, IssuanceEvent.NUMBER_HELD, now)

    def _first_load(
        self,
        tx: Connection,
        caller: Principal,
        wanted: FirstLoad | None,
        paid: _Paid,
        order_id: str,
        number: CardNumber,
    ) -> str | None:
        if wanted is None:
            return None
        key = f"{order_id}:first-load"  # no caller's key: it may be as long as the column, and is one order's
        return self._cashier.order_first_load(
            tx, caller, key, number, wanted.amount, paid.first_load, order_id
        )


def view(order: IssuanceOrder, applications: list[str]) -> dict[str, object]:
    """An order as callers see it: state, card and the next step."""
    return {
        "order_id": order.id,
        "state": str(order.state),
        "city": order.city.code,
        "product": order.product,
        "card_no": order.card.digits,
        "applications": applications,
        "first_load_id": order.first_load_id,
        "next_step": NEXT_STEPS.get(order.state, "open_session"),
    }


NEXT_STEPS: Final = {IssuanceState.ACTIVE: "none", IssuanceState.ABANDONED: "order_again"}
"""What the caller should do next; every other state wants a session."""


def _require_the_fee(city: City, wanted: NewIssuance) -> None:
    """Money that the city does not ask for is refused as well: taken for nothing it would be in no book."""
    if city.issuance_fee and wanted.payment is None:
        raise FeeNotPaid(city.issuance_fee)
    if not city.issuance_fee and wanted.payment is not None:
        raise FeeNotDue


def _own(order: IssuanceOrder, caller: Principal) -> IssuanceOrder:
    if order.caller_id != caller.id:
        raise NotFound
    return order


def _contact_lost(tx: Connection, order: IssuanceOrder, clock: Clock) -> IssuanceOrder:
    if not ISSUANCE.allows(order.state, IssuanceEvent.CONTACT_LOST):
        return order
    return order.step(tx, IssuanceEvent.CONTACT_LOST, clock.now())
