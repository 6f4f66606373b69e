"""Others who use a customer's card: gates, terminals of other cities, a second phone of the same customer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ota.sandbox.simulation import gate, stranger
from ota.sandbox.simulation.caller import Caller
from ota.sandbox.simulation.cards import Card
from ota.sandbox.simulation.faults import Fault, Luck
from ota.sandbox.simulation.phone import Phone
from ota.sandbox.simulation.practice import Practice
from ota.sandbox.simulation.schedule import Steps, VirtualClock
from ota.sandbox.simulation.terminal import Terminal
from ota.sandbox.simulation.trace import Trace

Begin = Callable[[Steps[object], float], None]
"""Lets an actor begin after so many seconds."""

Serve = Callable[[Card, str, Luck], None]
"""Two people of the service desk see a card, and decide about an order of it."""

_DEAREST_FARE_FEN = 1500
_LATEST_S = 30.0


@dataclass
class Bystanders:
    """Those around one customer. ``order_of`` gives the customer's order once there is one."""

    begin: Begin
    trace: Trace
    clock: VirtualClock
    terminals: Sequence[tuple[Caller, str]]
    wallet: Caller
    practice: Practice
    order_of: Callable[[], str | None] = lambda: None

    def happens(self, card: Card, luck: Luck) -> None:
        """Perhaps somebody uses the card now or soon."""
        if luck.strikes(Fault.PURCHASE):
            amount = luck.choice.randint(1, _DEAREST_FARE_FEN)
            paid = gate.debit(card, amount, self.clock.true_now())
            self.trace.note(luck.actor, f"a gate takes {amount} fen: {paid}")
        stranger.comes(card, self.practice, luck, self.trace, self.clock.true_now())
        if luck.strikes(Fault.SECOND_TERMINAL):
            self.begin(self._terminal(card, luck), luck.choice.uniform(0, _LATEST_S))
        if luck.strikes(Fault.SECOND_PHONE):
            self.begin(self._phone(card, luck), luck.choice.uniform(0, _LATEST_S))

    def terminal_comes(self, card: Card, luck: Luck) -> None:
        """A terminal of any city meets the card now."""
        self.begin(self._terminal(card, luck), 0.0)

    def _terminal(self, card: Card, luck: Luck) -> Steps[None]:
        caller, number = luck.choice.choice(self.terminals)
        yield from Terminal(caller, number, luck).resume(card)

    def _phone(self, card: Card, luck: Luck) -> Steps[None]:
        order_id = self.order_of()
        if order_id is not None:
            yield from Phone(self.wallet, card, luck, Nobody()).visit(order_id)


class Nobody:
    """Nobody is around."""

    def happens(self, card: Card, luck: Luck) -> None:  # empty: nobody is around
        """Nothing happens."""

    def terminal_comes(self, card: Card, luck: Luck) -> None:  # empty: nobody is around
        """No terminal comes."""
