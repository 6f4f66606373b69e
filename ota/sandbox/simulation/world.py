"""One run: a seed's cards, customers and accidents, then calm, then the verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Final

from ota.cities.profile import City
from ota.sandbox.element import Algorithm
from ota.sandbox.simulation import books, gate, promises
from ota.sandbox.simulation.bystanders import Bystanders
from ota.sandbox.simulation.cards import Card, make_card
from ota.sandbox.simulation.errands import Errand, Plan
from ota.sandbox.simulation.faults import Dice, Fault, Luck, Scenario, Strike
from ota.sandbox.simulation.installation import Installation
from ota.sandbox.simulation.process import Process
from ota.sandbox.simulation.promises import AnswerWatch
from ota.sandbox.simulation.refund_desk import RefundDesk
from ota.sandbox.simulation.schedule import Pause, Schedule, Steps, VirtualClock
from ota.sandbox.simulation.terminal import NOTHING, Terminal
from ota.sandbox.simulation.trace import Trace
from ota.sandbox.simulation.truth import Truth, Violated
from ota.sandbox.simulation.verdict import Verdict, judge
from ota.sandbox.simulation.wire import Wire

CITIES: Final = ("guangzhou", "foshan", "shaoguan")
WALLETS: Final = ("sandbox-wallet", "sandbox-wallet-2")
_PROCESSES: Final = 2
_SERIALS: Final = 8_000_000_000
_CHECK_EVERY: Final = 3
"""So many requests may pass until the promises are looked at again."""
_MOST_EVENTS: Final = 50_000
_SKEWS_S: Final = (-290.0, 0.0, 290.0)
_SWEEP_EVERY: Final = 10
_VISITS_OF_A_CARD: Final = 60
_LAST_JOBS: Final = 30


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended. ``violation`` is the first broken promise, None if there was none."""

    scenario: Scenario
    verdict: Verdict
    violation: str | None
    struck: tuple[Strike, ...]
    opportunities: Counter[Fault]
    trace_hash: str
    lines: Sequence[str]

    @property
    def ok(self) -> bool:
        """Whether every promise was kept."""
        return self.violation is None and self.verdict.ok

    @property
    def complaint(self) -> str:
        """What went wrong, in one line."""
        unfinished = "; ".join(self.verdict.not_converged)
        return self.violation or self.verdict.complaint or unfinished or "money is lost or doubled"


class World:
    """Everything that one run needs."""

    def __init__(self, installation: Installation, scenario: Scenario, *, keep_lines: bool = False) -> None:
        self.scenario = scenario
        self._random = Random(f"{scenario.seed} world")
        self.clock = VirtualClock(hours_later=self._random.randrange(24))
        self.trace = Trace(self.clock, keep=keep_lines)
        self.dice = Dice(scenario)
        self.truth = Truth()
        self.schedule = Schedule(self.clock)
        desk = RefundDesk(self.truth, self.trace, self.dice.luck("refund desk"))
        self.parts = installation.parts(self.clock, desk)
        watch = AnswerWatch(self.truth, self.parts.engine, self.parts.authorised)
        self.wire = Wire(self.schedule, self.trace, watch)
        self.schedule.carry_by(self.wire.carry)
        self.processes = [
            Process(f"process {number}", self.parts, self.wire) for number in range(1, _PROCESSES + 1)
        ]
        self.wire.processes = self.processes
        self.callers = installation.callers(self.clock, self.truth)
        self._terminals = installation.terminals
        self.truth.cards = self._make_cards([installation.cities.by_name(name) for name in CITIES])
        self.errands = [self._errand(number) for number in scenario.orders]
        self._at_work = 0

    def run(self) -> Outcome:
        """Let everything happen."""
        violation: str | None = None
        stuck: dict[str, str] = {}
        try:
            self._trouble()
            stuck = self._calm()
        except Violated as violated:
            violation = str(violated)
            self.trace.note("promise", violation)
        verdict = judge(self.truth, self.parts.engine, stuck, calm=violation is None)
        self._note_ending()
        return Outcome(
            self.scenario,
            verdict,
            violation,
            tuple(self.dice.struck),
            self.dice.opportunities,
            self.trace.hash,
            self.trace.lines,
        )

    # The time of trouble -------------------------------------------------------------------------------------------

    def _trouble(self) -> None:
        for errand in self.errands:
            self._begin(errand.run())
        self.schedule.start(30.0, self._work_off_jobs(self.dice.luck("jobs")))
        self.schedule.start(60.0, self._operate(self.dice.luck("operator")))
        self._run_until_idle()

    def _run_until_idle(self) -> None:
        """Everything that is planned, with a look at the promises every few steps."""
        checked = 0
        for _ in range(_MOST_EVENTS):
            if not self.schedule.run_next():
                break
            if self.wire.arrived - checked >= _CHECK_EVERY:
                checked = self.wire.arrived
                self._check()
        else:
            raise Violated("everything comes to an end", f"{_MOST_EVENTS} events and no end")
        self._check()

    def _check(self) -> None:
        promises.check(self.truth, books.read(self.parts.engine))

    def _begin(self, steps: Steps[object], after_s: float = 0.0) -> None:
        self._at_work += 1
        self.schedule.start(after_s, self._counted(steps))

    def _counted(self, steps: Steps[object]) -> Steps[None]:
        yield from steps
        self._at_work -= 1

    def _work_off_jobs(self, luck: Luck) -> Steps[None]:
        """The job loop of the processes."""
        for number in count():
            if not self._at_work:
                return
            process = next((each for each in self.processes if each.alive and not each.busy), None)
            if process is not None and not luck.strikes(Fault.JOB_LATE):
                self._run_jobs(process, luck, sweep=number % _SWEEP_EVERY == 0)
            yield Pause(luck.choice.uniform(20, 90))

    def _run_jobs(self, process: Process, luck: Luck, *, sweep: bool) -> None:
        taken = process.run_jobs(luck, sweep=sweep)
        if taken:
            self.trace.note(process.name, f"{taken} jobs")
        if not process.alive:
            self.trace.note(process.name, "dies in its jobs")
            self.schedule.after(4.0, process.start)

    def _operate(self, luck: Luck) -> Steps[None]:
        """What operations do to the processes: deploys, and a clock that is set wrong."""
        while self._at_work:
            if luck.strikes(Fault.DEPLOY):
                self.trace.note("operator", "deploys")
                for process in self.processes:
                    if not process.busy:  # one that is busy is given the time to finish
                        process.start()
            if luck.strikes(Fault.CLOCK_JUMP):
                self.clock.skew_s = luck.choice.choice(_SKEWS_S)
                self.trace.note("operator", f"the platform's clock is off by {self.clock.skew_s:.0f} s")
            yield Pause(luck.choice.uniform(60, 400))

    # Calm ----------------------------------------------------------------------------------------------------------

    def _calm(self) -> dict[str, str]:
        """No more faults: everybody gets the answers that are missing, and every card is met once more."""
        self.dice.calm = True
        self.clock.skew_s = 0.0
        self.trace.note("world", "all is calm")
        for process in self.processes:
            process.start()
        self._finish([errand.settle() for errand in self.errands])
        stuck: dict[str, str] = {}
        for card in self.truth.cards:
            self._finish([self._settle_card(card, stuck)])
        self._finish([self._settle_jobs()])
        return stuck

    def _finish(self, everybody: Sequence[Steps[object]]) -> None:
        for steps in everybody:
            self._begin(steps)
        self._run_until_idle()

    def _settle_card(self, card: Card, stuck: dict[str, str]) -> Steps[None]:
        """A terminal of any city meets the card until nothing is open; a gate makes room in the purse."""
        luck = self.dice.luck(f"card {card.number.digits[-4:]}")
        caller, number = self._terminals[0]
        terminal = Terminal(self.callers[caller], number, luck)
        ending = ""
        for _ in range(_VISITS_OF_A_CARD):
            while card.state.balance:
                gate.debit(card, card.state.balance, self.clock.true_now())
            ending = yield from terminal.resume(card)
            if ending == NOTHING:
                return
            yield Pause(1.0)
        stuck[card.number.digits] = ending

    def _settle_jobs(self) -> Steps[None]:
        """Refunds that met a silent wallet wait up to an hour; in the end no job is left."""
        luck = self.dice.luck("last jobs")
        for number in range(_LAST_JOBS):
            self._run_jobs(self.processes[0], luck, sweep=number % 3 == 0)
            if not books.jobs_waiting(self.parts.engine):
                return
            yield Pause(600.0)

    # Making the world ----------------------------------------------------------------------------------------------

    def _make_cards(self, cities: Sequence[City]) -> list[Card]:
        number = 2 + self._random.randrange(3)
        return [self._make_card(serial, cities[serial % len(cities)]) for serial in range(number)]

    def _make_card(self, serial: int, city: City) -> Card:
        algorithm = self._random.choice((Algorithm.TDES, Algorithm.TDES, Algorithm.SM4))
        return make_card(city, _SERIALS + serial, algorithm, f"{self.scenario.seed} {serial}")

    def _errand(self, number: int) -> Errand:
        luck = self.dice.luck(f"order {number}")
        plan = Plan.drawn(number, luck.choice)
        card = luck.choice.choice(self.truth.cards)
        wallet, rival = luck.choice.sample(WALLETS, 2)
        terminal, terminal_number = luck.choice.choice(self._terminals)
        caller = self.callers[terminal if plan.at_terminal else wallet]
        around = Bystanders(
            self._begin,
            self.trace,
            self.clock,
            [(self.callers[name], digits) for name, digits in self._terminals],
            caller,
        )
        errand = Errand(
            plan=plan,
            card=card,
            caller=caller,
            luck=luck,
            meanwhile=around,
            rival=self.callers[rival],
            terminal_number=terminal_number if plan.at_terminal else None,
        )
        around.order_of = lambda: errand.order_id
        return errand

    def _note_ending(self) -> None:
        """The end state belongs to the fingerprint."""
        for order in books.read(self.parts.engine).orders.values():
            self.trace.note(order.id, f"{order.amount_fen} fen {order.state}")
        for card in self.truth.cards:
            self.trace.note(f"card {card.number.digits[-4:]}", f"took {card.credited_fen} fen")
