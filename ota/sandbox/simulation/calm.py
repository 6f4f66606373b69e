"""The time after the faults: everybody gets the answers that are missing, every card is met, every job is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import sqlalchemy as sa

from ota.issuance.models import channel_opening, chip_opening
from ota.sandbox.simulation import books, gate
from ota.sandbox.simulation.caller import Caller
from ota.sandbox.simulation.cards import Card
from ota.sandbox.simulation.faults import Dice, Luck
from ota.sandbox.simulation.population import AnyErrand
from ota.sandbox.simulation.schedule import Pause, Steps
from ota.sandbox.simulation.terminal import NOTHING, Terminal
from ota.sandbox.simulation.truth import Truth

_VISITS_OF_A_CARD: Final = 60
_LAST_JOBS: Final = 30
_JOB_PAUSE_S: Final = 600.0
_CLOSED: Final = "key_not_usable"

GiveBack = Callable[[Card, Luck], Steps[None]]
"""Gives back what was paid for a card that is not loaded any more."""


class Calm:
    """The last contacts. ``stuck`` says what could not be settled, and why."""

    def __init__(
        self, truth: Truth, dice: Dice, engine: sa.Engine, terminal: tuple[Caller, str], give_back: GiveBack
    ) -> None:
        self._truth = truth
        self._dice = dice
        self._engine = engine
        self._terminal = terminal
        self._give_back = give_back
        self.stuck: list[str] = []

    def contacts(self, errands: list[AnyErrand]) -> Iterator[list[Steps[object]]]:
        """Groups of actors; a group begins when the one before has ended."""
        self._look_at_blocked_elements()
        yield [errand.settle() for errand in errands]
        wanted = {order.card for order in books.read(self._engine).orders.values()}
        for card in self._truth.cards:
            if card.digits in wanted:
                yield [self._settle(card)]

    def _settle(self, card: Card) -> Steps[None]:
        """A terminal of any city meets the card until nothing is open; a gate makes room in the purse."""
        caller, number = self._terminal
        luck = self._dice.luck(f"card {card.digits[-4:]}")
        terminal = Terminal(caller, number, luck)
        ending = ""
        for _ in range(_VISITS_OF_A_CARD):
            while card.state.balance and gate.debit(card, card.state.balance, caller.clock.true_now()):
                pass
            ending = yield from terminal.resume(card)
            if ending == NOTHING:
                return
            if ending == _CLOSED:
                yield from self._give_back(card, luck)
            yield Pause(1.0)
        self.stuck.append(f"card …{card.digits[-4:]}: {ending}")

    def finish_jobs(self, run_jobs: Callable[[Luck, bool], None]) -> Steps[None]:
        """Refunds that met a silent wallet wait up to an hour; in the end no job is left."""
        luck = self._dice.luck("last jobs")
        for number in range(_LAST_JOBS):
            run_jobs(luck, number % 3 == 0)
            if not books.jobs_waiting(self._engine):
                return
            yield Pause(_JOB_PAUSE_S)
        self.stuck.append(f"{books.jobs_waiting(self._engine)} jobs are left")

    def _look_at_blocked_elements(self) -> None:
        """An operator has looked at every element that refused the platform twice, and lets it be tried again."""
        with self._engine.begin() as tx:
            for counted in (channel_opening, chip_opening):
                tx.execute(counted.delete())
