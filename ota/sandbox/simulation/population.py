"""Who lives in a seed's world: its cards, and its customers with everybody around them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from ota.cities.loader import Cities
from ota.cities.profile import City
from ota.sandbox.element import Algorithm
from ota.sandbox.simulation.bystanders import Begin, Bystanders, Serve
from ota.sandbox.simulation.caller import Caller
from ota.sandbox.simulation.cards import Card, blank_card, leave_behind, make_card, renew
from ota.sandbox.simulation.errands import Errand, Plan
from ota.sandbox.simulation.faults import Dice, Fault, Luck, Route
from ota.sandbox.simulation.new_card import NewCard
from ota.sandbox.simulation.practice import Practice
from ota.sandbox.simulation.trace import Trace
from ota.sandbox.simulation.truth import Truth

CITIES: Final = ("guangzhou", "foshan", "shaoguan")
WALLETS: Final = ("sandbox-wallet", "sandbox-wallet-2")
_SERIALS: Final = 8_000_000_000
_STRANGE: Final = 9_000_000_000
_TOO_SMALL: Final = (0, 9_000, 14_500)
"""Bytes that hold no card, its first application, or all but its last ones."""
_PROTOCOLS: Final = ("02", "03", "03")

AnyErrand = Errand | NewCard


@dataclass
class Population:
    """Makes cards and customers of one scenario; what an order is does not depend on the other orders."""

    dice: Dice
    truth: Truth
    trace: Trace
    callers: Mapping[str, Caller]
    terminals: Sequence[tuple[str, str]]
    cities: Cities
    begin: Begin
    serve: Serve

    def settle_in(self) -> list[AnyErrand]:
        """Fill the world; the customers in the order of their numbers."""
        random = Random(f"{self.dice.scenario.seed} cards")
        cities = [self.cities.by_name(name) for name in CITIES]
        self.truth.cards = [
            self._card(serial, cities[serial % len(cities)], random) for serial in range(random.randint(2, 4))
        ]
        strange = tuple(self.truth.cards)
        return [self._errand(number, strange) for number in self.dice.scenario.orders]

    def _card(self, serial: int, city: City, random: Random) -> Card:
        algorithm = random.choice((Algorithm.TDES, Algorithm.TDES, Algorithm.SM4))
        return make_card(city, _SERIALS + serial, algorithm, f"{self.dice.scenario.seed} {serial}")

    def _errand(self, number: int, cards: Sequence[Card]) -> AnyErrand:
        luck = self.dice.luck(f"order {number}")
        plan = Plan.drawn(number, luck.choice, self.dice.scenario.route)
        card = luck.choice.choice(cards)
        wallet, rival = luck.choice.sample(WALLETS, 2)
        terminal, terminal_number = luck.choice.choice(self.terminals)
        if plan.route is Route.NEW_CARD:
            return self._new_card(plan, luck, self.callers[wallet])
        if luck.strikes(Fault.CARD_KEY_AHEAD):
            renew(card)
        at_terminal = plan.route is Route.TERMINAL
        caller = self.callers[terminal if at_terminal else wallet]
        around = self._around(caller, self.dice.scenario.habit)
        errand = Errand(
            plan=plan,
            card=card,
            caller=caller,
            luck=luck,
            meanwhile=around,
            rival=self.callers[rival],
            serve=self.serve,
            terminal_number=terminal_number if at_terminal else None,
        )
        around.order_of = lambda: errand.order_id
        return errand

    def _new_card(self, plan: Plan, luck: Luck, caller: Caller) -> NewCard:
        city = self.cities.by_name(luck.choice.choice(CITIES))
        seed = f"{self.dice.scenario.seed} {plan.number}"
        memory = luck.choice.choice(_TOO_SMALL) if luck.strikes(Fault.ELEMENT_FULL) else None
        card = blank_card(city, seed, luck.choice.choice(_PROTOCOLS), memory)
        if luck.strikes(Fault.LEFT_BEHIND):
            leave_behind(card, city.number(_STRANGE + plan.number), finished=luck.choice.random() < 0.5)
        self.truth.cards.append(card)
        around = self._around(caller, Practice.USUAL)  # nobody else loads a card that is being made
        takes_little = luck.strikes(Fault.SMALL_BATCHES)
        return NewCard(plan, card, caller, luck, around, self.begin, takes_little=takes_little)

    def _around(self, caller: Caller, practice: Practice) -> Bystanders:
        terminals = [(self.callers[name], digits) for name, digits in self.terminals]
        return Bystanders(self.begin, self.trace, caller.clock, terminals, caller, practice)
