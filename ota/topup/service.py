"""What a caller may do with a top-up order: make it, pay it, look at it, call it off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from ota.core.clock import Clock
from ota.core.errors import NotFound, OtaError
from ota.core.ids import new_id
from ota.core.principal import CallerKind, Principal
from ota.core.values import CardNumber, CityCode, Fen
from ota.ledger import books, journals
from ota.registry import cards, numbers
from ota.store.idempotency import KeyReused
from ota.store.phases import Store
from ota.topup import evidence, orders, payments, refunds, restored
from ota.topup.orders import TopupOrder, own
from ota.topup.payment_fact import PaymentFact, SignedFacts
from ota.topup.payments import Due, Payment, PaymentClaimed
from ota.topup.rules import RuleBook
from ota.topup.states import PaymentPurpose, TopupEvent, TopupState


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

        Raises CardOutsideProvince, CityNotLive, AmountOutsideLimits, CardNotUsable, KeyReused and the errors of payments. A
        payment of another amount leaves the order unpaid and goes back.
        """
        city = self._rules.of_card(wanted.card).city.require_live()
        city.limits.check_load(wanted.amount)
        fact = self._fact(caller, wanted.payment)
        with self._store.begin() as tx:
            made = orders.by_key(tx, caller.id, key)
            if made is None:
                made = self._insert(tx, caller, key, wanted)
            elif (made.card, made.amount) != (wanted.card, wanted.amount):
                raise KeyReused  # an order whose session could not be opened leaves its key free at the door
            if fact is None:
                return made
            made, taken = self._pay(tx, orders.lock(tx, made.id), fact)
        taken.require_fit()
        return made

    def take_payment(self, caller: Principal, order_id: str, signed: str) -> TopupOrder:
        """Book a payment for an order; the same payment again changes nothing.

        Raises the errors of payments, the same for the same payment. What was captured is booked in any case: money
        that cannot serve the order goes back.
        """
        fact = None
        try:
            fact = self.read_payment(caller, signed)
            with self._store.begin() as tx:
                order, taken = self._pay(tx, own(orders.lock(tx, order_id), caller), fact)
        except OtaError as refusal:
            self._note_refused(caller, order_id, fact, refusal)
            raise
        taken.require_fit()
        return order

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
        self,
        tx: Connection,
        caller: Principal,
        key: str,
        wanted: NewTopup,
        fact: PaymentFact,
        issuance_id: str,
    ) -> str:
        """Make the paid order that an issuance loads at its end, inside the transaction of the issuance order.

        Raises the errors of payments, PaidBeforeRestore.
        """
        self._rules.of_card(wanted.card).city.limits.check_load(wanted.amount)
        made = self._insert(tx, caller, key, wanted, issuance_id)
        restored.require_after(tx, fact.paid_at)
        payments.take_fitting(tx, _due(made), fact, self._clock.now())
        return made.step(tx, TopupEvent.PAYMENT_TAKEN, self._clock.now()).id

    def knows_number(self, tx: Connection, card: CardNumber) -> bool:
        """Whether an order was ever made for this number: then it is nobody else's, whatever became of the order."""
        return orders.is_named(tx, card)

    def book_fee(
        self, tx: Connection, caller: Principal, order_id: str, city: CityCode, fee: Fen, fact: PaymentFact
    ) -> None:
        """Book the payment of an issuance fee; raises the errors of payments, PaidBeforeRestore."""
        restored.require_after(tx, fact.paid_at)
        due = Due(order_id, PaymentPurpose.FEE, caller.id, city, fee)
        payments.take_fitting(tx, due, fact, self._clock.now())

    def earn_fee(self, tx: Connection, order_id: str) -> None:
        """Book an issuance fee as earned; an issuance without one has nothing to book."""
        fee = payments.find_of_order(tx, order_id)
        if fee is not None:
            journals.post(tx, books.fee_earned(fee.money), self._clock.now())

    def card_not_made(self, tx: Connection, order_id: str) -> None:
        """Give back what was paid for a card that will not be."""
        refunds.card_not_made(tx, order_id, self._clock.now())

    def read_payment(self, caller: Principal, signed: str) -> PaymentFact:
        """Check a payment's signature and read it; raises Unauthenticated, InvalidValue."""
        return PaymentFact.from_claims(self._facts.read(caller, signed))

    def _fact(self, caller: Principal, signed: str | None) -> PaymentFact | None:
        return None if signed is None else self.read_payment(caller, signed)

    def _insert(
        self, tx: Connection, caller: Principal, key: str, wanted: NewTopup, issuance_id: str | None = None
    ) -> TopupOrder:
        if issuance_id is None:
            numbers.require_issued(tx, wanted.card)
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

    def _pay(self, tx: Connection, order: TopupOrder, fact: PaymentFact) -> tuple[TopupOrder, Payment]:
        now = self._clock.now()
        taken, is_new = payments.take(tx, _due(order), fact, now)
        if is_new and taken.surplus is not None:
            refunds.started(tx, taken, taken.surplus, now)
        elif is_new:
            order = restored.hold_if_old(tx, order.step(tx, TopupEvent.PAYMENT_TAKEN, now), fact.paid_at, now)
        return order, taken

    def _note_refused(
        self, caller: Principal, order_id: str, fact: PaymentFact | None, refusal: OtaError
    ) -> None:
        """Keep that a payment was tried which could not be booked: forged, in another currency, of another order."""
        with self._store.begin() as tx:
            order = orders.find(tx, order_id)
            if order is not None and order.caller_id == caller.id:
                told = {"code": refusal.problem_code}
                if isinstance(refusal, PaymentClaimed) and fact is not None:
                    told |= {"channel": fact.channel, "trade_no": fact.trade_no}
                    told |= {"caller": caller.id, "claimed_by": refusal.claimed_by}
                evidence.note(tx, order.id, None, "payment_refused", told, self._clock.now())


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


def next_step(order: TopupOrder) -> str:
    """What the caller should do next; a paid order whose card was not made can only be given back."""
    if order.is_without_card and order.state is TopupState.PAID:
        return "request_refund"
    return NEXT_STEPS.get(order.state, "none")


def _due(order: TopupOrder) -> Due:
    return Due(order.id, PaymentPurpose.TOPUP, order.caller_id, order.city, order.amount)


def _require_access(known: cards.Card, caller: Principal) -> None:
    # A terminal loads whatever card is on its reader; a wallet only its own cards and those of other issuers.
    if caller.kind is not CallerKind.TERMINAL and not known.belongs_to(caller.id):
        raise NotFound
