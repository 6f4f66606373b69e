"""What customers do: pay for a load in a wallet's app or at a terminal, and try again when it does not work."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Final

from ota.sandbox.discovery import card_opening
from ota.sandbox.simulation.bystanders import Serve
from ota.sandbox.simulation.caller import Caller
from ota.sandbox.simulation.cards import Card
from ota.sandbox.simulation.faults import Fault, Luck, Route
from ota.sandbox.simulation.intention import Intention
from ota.sandbox.simulation.phone import DONE, Meanwhile, Phone
from ota.sandbox.simulation.process import Json, Reply
from ota.sandbox.simulation.schedule import Pause, Steps
from ota.sandbox.simulation.terminal import Terminal
from ota.sandbox.simulation.truth import Trade, Violated

TOPUPS: Final = "/v1/topups"
_LEAST_FEN, _MOST_FEN = 101, 11_999
_POPULARITY: Final = (8, 6, 8, 3)
"""Of the routes, in the order in which they are declared."""
_VISITS: Final = 4
_LONGEST_PAUSE_S: Final = 900.0
_NOT_SOLD: Final = "card_frozen"
_WITHIN_S: Final = 1200.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What one customer wants."""

    number: int
    amount_fen: int
    start_s: float
    route: Route

    @classmethod
    def drawn(cls, number: int, random: Random, route: Route | None) -> Plan:
        """A plan out of a seed; ``route`` chooses the customer's way instead of chance."""
        amount, start = random.randint(_LEAST_FEN, _MOST_FEN), random.uniform(0, _WITHIN_S)
        drawn = random.choices(tuple(Route), weights=_POPULARITY)[0]
        return cls(number, amount, start, route or drawn)


@dataclass
class Errand:
    """One customer's way through the service. ``intentions`` are what must still be answered when all is calm."""

    plan: Plan
    card: Card
    caller: Caller
    luck: Luck
    meanwhile: Meanwhile
    rival: Caller
    serve: Serve
    terminal_number: str | None = None
    intentions: list[Intention] = field(default_factory=list)
    order_id: str | None = None

    def run(self) -> Steps[None]:
        """The whole errand."""
        yield Pause(self.plan.start_s)
        if self.terminal_number is not None:
            yield from self._at_terminal(self.terminal_number)
        elif self.plan.route is Route.APP_LATER:
            yield from self._pay_later()
        else:
            yield from self._pay_at_once()

    def settle(self) -> Steps[None]:
        """Get every answer that is still missing."""
        for intention in self._unanswered():
            intention.follow(self._renamed())
            yield from intention.pursue(self.caller, self.luck)

    def settle_again(self) -> Steps[None]:
        """After a restore: send again what it forgot, in the old order, under the same keys."""
        for intention in self.intentions:
            intention.recall(self.caller.truth)
        yield from self.settle()

    def _renamed(self) -> dict[str, str]:
        """Orders that a restore forgot, with those that took their place: at once, or when a frozen card was released."""
        again = (each for each in self.intentions if each.forgotten_id and each.order_id)
        return {each.forgotten_id: each.order_id for each in again}

    def _unanswered(self) -> Iterator[Intention]:
        return (intention for intention in self.intentions if intention.reply is None)

    # At a terminal -------------------------------------------------------------------------------------------------

    def _at_terminal(self, number: str) -> Steps[None]:
        terminal = Terminal(self.caller, number, self.luck)
        self.meanwhile.happens(self.card, self.luck)
        intention = yield from terminal.begin(self.card, self.plan.amount_fen, self._key("load"))
        if intention is None:
            return
        self.intentions.append(intention)
        reply = yield from intention.pursue(self.caller, self.luck)
        self.meanwhile.happens(self.card, self.luck)
        if reply is not None and reply.ok:
            yield from terminal.carry_out(self.card, reply.json)

    # In a wallet's app ---------------------------------------------------------------------------------------------

    def _pay_at_once(self) -> Steps[None]:
        trade = self.caller.truth.pay(self.caller.id, self.plan.amount_fen)
        body = {
            "card_no": self.card.digits,
            "amount_fen": self.plan.amount_fen,
            "payment": self.caller.payment(trade.number, trade.amount_fen),
            "session": card_opening(),
        }
        reply = yield from self._pursue_payment(Intention(TOPUPS, body, self._key("order"), (trade,)))
        if reply is not None and reply.ok:
            yield from self._load(reply.json["order_id"], reply.json["session"])

    def _pay_later(self) -> Steps[None]:
        body = {"card_no": self.card.digits, "amount_fen": self.plan.amount_fen}
        reply = yield from self._pursue(Intention(TOPUPS, body, self._key("order")))
        if reply is None or not reply.ok:
            return
        order_id = reply.json["order_id"]
        if self.luck.strikes(Fault.PAID_AFTER_CLOSE):
            yield from self._pursue(Intention(f"{TOPUPS}/{order_id}/cancel", {}, self._key("cancel")))
        yield from self._try_wrong_payments(order_id)
        if self.luck.strikes(Fault.NOTICE_LATE):
            yield Pause(self.luck.choice.uniform(60, _WITHIN_S))
        trade = self.caller.truth.pay(self.caller.id, self.plan.amount_fen)
        notice = self._notice(order_id, trade, "pay")
        yield from self._pursue_payment(notice)
        yield from self._try_more_payments(order_id, trade)
        if notice.reply is not None and notice.reply.ok:
            yield from self._load(order_id, None)

    def _load(self, order_id: str, opened: Json | None) -> Steps[None]:
        self.order_id = order_id
        phone = Phone(self.caller, self.card, self.luck, self.meanwhile)
        for _ in range(_VISITS):
            if self.luck.strikes(Fault.STAFF_DECIDES):
                self.serve(self.card, order_id, self.luck)
            ending = yield from phone.visit(order_id, opened)
            if ending == DONE:
                return
            opened = None
            if self.luck.strikes(Fault.REFUND_ASKED):
                yield from self._pursue(Intention(f"{TOPUPS}/{order_id}/refund", {}, self._key("refund")))
            yield Pause(self.luck.choice.uniform(5, _LONGEST_PAUSE_S))

    # Payments that are not as they should be -----------------------------------------------------------------------

    def _try_wrong_payments(self, order_id: str) -> Steps[None]:
        if self.luck.strikes(Fault.NOTICE_FORGED):
            yield from self._forge(order_id)
        if self.luck.strikes(Fault.TRADE_REUSED):
            yield from self._reuse(order_id)
        if self.luck.strikes(Fault.AMOUNT_WRONG):
            other = self.luck.choice.choice((1, self.plan.amount_fen - 1, self.plan.amount_fen * 100))
            trade = self.caller.truth.pay(self.caller.id, other)
            yield from self._pursue(self._notice(order_id, trade, "wrong"))

    def _try_more_payments(self, order_id: str, trade: Trade) -> Steps[None]:
        if self.luck.strikes(Fault.NOTICE_TWICE):
            yield from self._pursue(self._notice(order_id, trade, "again"))
        if self.luck.strikes(Fault.PAID_TWICE):
            second = self.caller.truth.pay(self.caller.id, self.plan.amount_fen)
            yield from self._pursue(self._notice(order_id, second, "second"))

    def _forge(self, order_id: str) -> Steps[None]:
        """A notice that nobody vouches for: by another key, for another platform, or in another currency."""
        number, amount = "trade-of-nobody", self.plan.amount_fen
        forged = (
            self.rival.payment(number, amount, iss=self.caller.id),
            self.caller.payment(number, amount, aud="urn:somebody:else"),
            self.caller.payment(number, amount, currency="USD"),
            self.caller.payment(number, amount)[:-6] + "AAAAAA",
        )
        notice = Intention(
            f"{TOPUPS}/{order_id}/payment", {"payment": self.luck.choice.choice(forged)}, self._key("forged")
        )
        reply = yield from notice.pursue(self.caller, self.luck)
        if reply is not None and reply.ok:
            raise Violated("a forged notice changes nothing", f"{order_id} took one")

    def _reuse(self, order_id: str) -> Steps[None]:
        """A trade that paid for another order already."""
        used = [
            trade
            for trade in self.caller.truth.trades.values()
            if trade.payer == self.caller.id and trade.answer == "taken"
        ]
        if (
            not used or self.caller.truth.restores
        ):  # a forgotten trade would be taken: its wallet itself vouches for it
            return
        trade = self.luck.choice.choice(used)
        body = {"payment": self.caller.payment(trade.number, self.plan.amount_fen)}
        path, key = f"{TOPUPS}/{order_id}/payment", self._key("reused")
        yield from self._pursue(Intention(path, body, key, is_false=True))

    def _notice(self, order_id: str, trade: Trade, why: str) -> Intention:
        body = {"payment": self.caller.payment(trade.number, trade.amount_fen)}
        return Intention(f"{TOPUPS}/{order_id}/payment", body, self._key(why), (trade,))

    def _pursue(self, intention: Intention) -> Steps[Reply | None]:
        self.intentions.append(intention)
        return (yield from intention.pursue(self.caller, self.luck))

    def _pursue_payment(self, intention: Intention) -> Steps[Reply | None]:
        """A payment just as it was asked for must be taken, but for a card that people must look at first."""
        reply = yield from self._pursue(intention)
        may_refuse = intention.path == TOPUPS and self.caller.truth.leaves_open
        is_frozen = may_refuse and reply is not None and reply.code == _NOT_SOLD
        if reply is not None and not reply.ok and not is_frozen:
            raise Violated("a payment as asked for is taken", f"{intention.path} answered {reply.code}")
        return reply

    def _key(self, what: str) -> str:
        return f"{what}-{self.plan.number}"
