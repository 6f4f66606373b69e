"""What a caller may do with a top-up order: make it, pay it, look at it, call it off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from ota.core.clock import Clock
from ota.core.errors import NotFound
from ota.core.ids import new_id
from ota.core.principal import CallerKind, Principal
from ota.core.values import CardNumber, Fen
from ota.registry import cards
from ota.store.phases import Store
from ota.topup import orders, payments
from ota.topup.orders import TopupOrder
from ota.topup.payments import PaymentFact, SignedFacts
from ota.topup.rules import RuleBook
from ota.topup.states import TopupEvent, TopupState


@dataclass(frozen=True, slots=True)
class NewTopup:
    """What a caller orders: an amount for a card; ``payment`` is its signed payment fact, None to pay later."""

    card: CardNumber
    amount: Fen
    payment: str | None = None


class Topups:
    """Orders of wallets and terminals."""

    def __init__(self, store: Store, rules: RuleBook, facts: SignedFacts, clock: Clock) -> None:
        self._store = store
        self._rules = rules
        self._facts = facts
        self._clock = clock

    def order(self, caller: Principal, key: str, wanted: NewTopup) -> TopupOrder:
        """Make an order, paid if a payment comes with it; the same key gives the same order again.

        Raises CardOutsideProvince, CityNotLive, AmountOutsideLimits, CardNotUsable and the errors of payments.
        """
        city = self._rules.of_card(wanted.card).city.require_live()
        city.limits.check_load(wanted.amount)
        fact = self._fact(caller, wanted.payment)
        with self._store.begin() as tx:
            made = orders.by_key(tx, caller.id, key)
            if made is None:
                made = self._insert(tx, caller, key, wanted)
            return self._pay(tx, made, fact) if fact is not None else made

    def take_payment(self, caller: Principal, order_id: str, signed: str) -> TopupOrder:
        """Book a payment for an order; the same payment again changes nothing."""
        fact = self._fact(caller, signed)
        assert fact is not None  # noqa: S101  a signature was given
        with self._store.begin() as tx:
            return self._pay(tx, own(orders.lock(tx, order_id), caller), fact)

    def cancel(self, caller: Principal, order_id: str) -> TopupOrder:
        """Call off an order that is not paid; a closed one stays closed. Raises NotInThisState once there is money."""
        with self._store.begin() as tx:
            order = own(orders.lock(tx, order_id), caller)
            if order.state is TopupState.CLOSED:
                return order
            return order.step(tx, TopupEvent.CANCELLED, self._clock.now())

    def get(self, caller: Principal, order_id: str) -> TopupOrder:
        """The caller's order; raises NotFound for anybody else's."""
        with self._store.read() as tx:
            return own(orders.get(tx, order_id), caller)

    def unfinished(self, caller: Principal, card: CardNumber) -> list[TopupOrder]:
        """The caller's paid orders of a card whose money is not in the purse yet, oldest first."""
        with self._store.read() as tx:
            return [order for order in orders.unfinished(tx, card) if order.caller_id == caller.id]

    def first_load(
        self, tx: Connection, caller: Principal, key: str, wanted: NewTopup, issuance_id: str
    ) -> str:
        """Make the paid order that an issuance loads at its end, inside the transaction of the issuance order."""
        assert wanted.payment is not None  # noqa: S101  the schema of a first load requires it
        self._rules.of_card(wanted.card).city.limits.check_load(wanted.amount)
        made = self._insert(tx, caller, key, wanted, issuance_id)
        return self._pay(tx, made, self.read_payment(caller, wanted.payment)).id

    def book_fee(self, tx: Connection, caller: Principal, order_id: str, fee: Fen, signed: str) -> None:
        """Book the payment of an issuance fee; raises the errors of payments."""
        payments.book(tx, order_id, fee, self.read_payment(caller, signed), self._clock.now())

    def read_payment(self, caller: Principal, signed: str) -> PaymentFact:
        """Check a payment's signature and read it; raises Unauthenticated, InvalidValue."""
        return PaymentFact.from_claims(self._facts.read(caller, signed))

    def _fact(self, caller: Principal, signed: str | None) -> PaymentFact | None:
        return None if signed is None else self.read_payment(caller, signed)

    def _insert(
        self, tx: Connection, caller: Principal, key: str, wanted: NewTopup, issuance_id: str | None = None
    ) -> TopupOrder:
        known = cards.find(tx, wanted.card)
        if known is not None:
            _require_access(known, caller)
            known.require_usable()
        city = self._rules.of_card(wanted.card).city.code
        order = TopupOrder(
            new_id("top"),
            caller.id,
            key,
            wanted.card,
            city,
            wanted.amount,
            TopupState.CREATED,
            issuance_id,
            self._clock.now(),
        )
        orders.insert(tx, order)
        return order

    def _pay(self, tx: Connection, order: TopupOrder, fact: PaymentFact) -> TopupOrder:
        now = self._clock.now()
        if not payments.book(tx, order.id, order.amount, fact, now):
            return order
        return order.step(tx, TopupEvent.PAYMENT_TAKEN, now)


MONEY_PLACES: Final = {
    TopupState.CREATED: "not_paid",
    TopupState.PAID: "with_platform",
    TopupState.LOADING: "decided_at_next_contact",
    TopupState.UNCERTAIN: "decided_at_next_contact",
    TopupState.LOADED: "on_card",
    TopupState.REFUNDING: "on_its_way_back",
    TopupState.REFUNDED: "refunded",
    TopupState.CLOSED: "not_paid",
    TopupState.WRITTEN_OFF: "written_off",
    TopupState.HELD: "with_platform",
}
"""Where the money of an order is, in the words of the API."""

NEXT_STEPS: Final = {
    TopupState.CREATED: "pay",
    TopupState.PAID: "open_session",
    TopupState.LOADING: "open_session",
    TopupState.UNCERTAIN: "open_session",
    TopupState.HELD: "contact_service",
}
"""What the caller should do next with an order; nothing for a state that is not named."""


def own(order: TopupOrder, caller: Principal) -> TopupOrder:
    """The order if it is the caller's; raises NotFound."""
    if order.caller_id != caller.id:
        raise NotFound
    return order


def _require_access(known: cards.Card, caller: Principal) -> None:
    # A terminal loads whatever card is on its reader; a wallet only its own cards and those of other issuers.
    if caller.kind is not CallerKind.TERMINAL and not known.belongs_to(caller.id):
        raise NotFound
