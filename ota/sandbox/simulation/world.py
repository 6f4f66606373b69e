"""One run: a seed's cards, customers and accidents, then calm, then the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Final

from ota.sandbox.simulation import books, city_host, promises
from ota.sandbox.simulation.calm import Calm
from ota.sandbox.simulation.cards import Card
from ota.sandbox.simulation.city_host import HostWire
from ota.sandbox.simulation.comparison import Comparison
from ota.sandbox.simulation.event_desk import EventDesk
from ota.sandbox.simulation.faults import Dice, Fault, Luck, Scenario, Strike
from ota.sandbox.simulation.installation import Installation
from ota.sandbox.simulation.population import Population
from ota.sandbox.simulation.process import Process
from ota.sandbox.simulation.promises import AnswerWatch
from ota.sandbox.simulation.refund_desk import RefundDesk
from ota.sandbox.simulation.restore import Backups
from ota.sandbox.simulation.schedule import Pause, Schedule, Steps, VirtualClock
from ota.sandbox.simulation.service_desk import ServiceDesk
from ota.sandbox.simulation.trace import Trace
from ota.sandbox.simulation.truth import Truth, Violated
from ota.sandbox.simulation.verdict import Verdict, judge
from ota.sandbox.simulation.wire import Wire
from ota.service_desk.service import Decisions

_PROCESSES: Final = 2
_CHECK_EVERY: Final = 3
"""So many requests may pass until the promises are looked at again."""
_MOST_EVENTS: Final = 50_000
_SKEWS_S: Final = (-290.0, 0.0, 290.0)
_SWEEP_EVERY: Final = 10
_MOST_ROUNDS_ALONE: Final = 6
_ROUNDS_WITH_PEOPLE: Final = 4


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended. ``violation`` is the first broken promise, None if there was none."""

    scenario: Scenario
    verdict: Verdict
    violation: str | None
    struck: tuple[Strike, ...]
    met: Mapping[Strike, str]
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
        self.clock = VirtualClock(hours_later=Random(f"{scenario.seed} hour").randrange(24))
        self._installation = installation
        self.trace = Trace(self.clock, keep=keep_lines)
        self.dice = Dice(scenario)
        self.truth = Truth(practice=scenario.habit)
        self.schedule = Schedule(self.clock)
        desk = RefundDesk(self.truth, self.trace, self.dice.luck("refund desk"))
        restores = lambda: self.truth.restores  # noqa: E731
        self.events = EventDesk(self.trace, self.dice.luck("event desk"), self._card_of, restores)
        self.rotation = installation.rotation(
            self.truth, self.trace, scenario.habit, hosted=scenario.has_city_host
        )
        host = installation.city_host(self.clock)
        self.host_wire = HostWire(host, self.trace, self.dice.luck("city host"))
        self.parts = installation.parts(self.clock, desk, self.events, self.rotation, self.host_wire)
        watch = AnswerWatch(self.truth, self.parts.engine, self.parts.authorised)
        self.wire = Wire(self.schedule, self.trace, watch)
        self.schedule.carry_by(self.wire.carry)
        self.processes = [
            Process(f"process {number}", self.parts, self.wire) for number in range(1, _PROCESSES + 1)
        ]
        self.wire.processes = self.processes
        self.callers = installation.callers(self.clock, self.truth)
        people = installation.people(self.clock, self.truth)
        self.service = ServiceDesk(people, self.trace, self._begin, self.parts.engine)
        population = Population(
            self.dice,
            self.truth,
            self.trace,
            self.callers,
            installation.terminals,
            installation.cities,
            self._begin,
            self.service.serve,
        )
        self.errands = population.settle_in()
        self._at_work = 0
        self._backups = Backups(self.parts.engine, self.truth, self.clock, self.dice)

    def run(self) -> Outcome:
        """Let everything happen."""
        violation: str | None = None
        stuck: Sequence[str] = ()
        try:
            self._trouble()
            stuck = self._calm().stuck
        except Violated as violated:
            violation = str(violated)
            self.trace.note("promise", violation)
        verdict = self.judged(stuck, calm=violation is None)
        self._note_ending()
        return Outcome(
            self.scenario,
            verdict,
            violation,
            tuple(self.dice.struck),
            self.dice.met,
            self.trace.hash,
            self.trace.lines,
        )

    def judged(self, stuck: Sequence[str] = (), *, calm: bool = True) -> Verdict:
        """The verdict on how things stand."""
        host = self.host_wire.host
        now = self.clock.true_now()
        return judge(self.truth, self.parts.engine, self.events, host, stuck, now, calm=calm)

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
        """The job loop of the processes: from the first request until nobody is there and little is left to do."""
        rounds_alone = 0
        for number in count():
            if not self._at_work:
                rounds_alone += 1
                if rounds_alone > _MOST_ROUNDS_ALONE or not books.jobs_waiting(self.parts.engine):
                    return
            process = next((each for each in self.processes if each.alive and not each.busy), None)
            if process is not None and self.wire.arrived and not luck.strikes(Fault.JOB_LATE):
                self._run_jobs(process, luck, sweep=number % _SWEEP_EVERY == 0 or rounds_alone == 1)
            yield Pause(luck.choice.uniform(20, 90))

    def _run_jobs(self, process: Process, luck: Luck, *, sweep: bool) -> None:
        taken = process.run_jobs(luck, sweep=sweep)
        if taken:
            self.trace.note(process.name, f"{taken} jobs")
        if not process.alive:
            self.trace.note(process.name, "dies in its jobs")
            self.schedule.after(4.0, process.start)

    def _operate(self, luck: Luck) -> Steps[None]:
        """What operations do to the processes: deploys, new keys, and a clock that is set wrong."""
        self._backups.take()
        while self._at_work:
            if self._backups.strikes(luck):
                yield from self._restore(luck)
            self._backups.take()
            if luck.strikes(Fault.DEPLOY):
                self.trace.note("operator", "deploys")
                for process in self.processes:
                    if not process.busy:  # one that is busy is given the time to finish
                        process.start()
            if luck.strikes(Fault.KEY_ROTATED):
                self.trace.note("operator", "replaces the signing key")
                self.parts.signer.replace()
            if luck.strikes(Fault.CLOCK_JUMP):
                self.clock.skew_s = luck.choice.choice(_SKEWS_S)
                self.trace.note("operator", f"the platform's clock is off by {self.clock.skew_s:.0f} s")
            if luck.strikes(Fault.CARD_KEY_ROTATED):
                self.schedule.start(0.0, self.rotation.steps(self.processes, self.dice.luck("key change")))
            yield Pause(luck.choice.uniform(60, 400))

    def _restore(self, luck: Luck) -> Steps[None]:
        """The database is lost: everything stops, a backup is put back and told of, everything starts."""
        while any(process.busy for process in self.processes):
            yield Pause(1.0)
        self.trace.note("operator", f"restores the database: {self._backups.put_back(luck)}")
        for process in self.processes:
            process.start()

    # Calm ----------------------------------------------------------------------------------------------------------

    def _calm(self) -> Calm:
        """No more faults: what is open is finished."""
        self.dice.calm = True
        self.clock.skew_s = 0.0
        self.trace.note("world", "all is calm")
        self.rotation.finish()
        for process in self.processes:
            process.start()
        rounds = _ROUNDS_WITH_PEOPLE if self.truth.leaves_open else 1
        people = Comparison(self.parts.engine, self.truth, self.trace)
        for number in range(rounds):
            if self.truth.restores:
                self._compare(is_first=number == 0)
            if self.truth.leaves_open:
                self._decide(people, number)
            calm = self._last_contacts()
        return calm

    def _compare(self, *, is_first: bool) -> None:
        """A city looks at its cards, and wallets send again what a restore forgot."""
        city_host.compare(self.host_wire.host, self.parts.engine, self.truth)
        for errand in self.errands if is_first else ():
            self._finish([errand.settle_again()])

    def _decide(self, people: Comparison, number: int) -> None:
        """Two people decide what cards and wallets leave open."""
        desk = self.processes[0].built.services[Decisions]
        assert isinstance(desk, Decisions)  # noqa: S101  built by features.connect
        people.decide(desk, is_last=number > 0)

    def _last_contacts(self) -> Calm:
        name, number = self._installation.terminals[0]
        calm = Calm(self.truth, self.dice, self.parts.engine, (self.callers[name], number), self._give_back)
        for contacts in calm.contacts(self.errands):
            self._finish(contacts)
        self._finish(
            [calm.finish_jobs(lambda luck, sweep: self._run_jobs(self.processes[0], luck, sweep=sweep))]
        )
        return calm

    def _finish(self, everybody: Sequence[Steps[object]]) -> None:
        for steps in everybody:
            self._begin(steps)
        self._run_until_idle()

    def _give_back(self, card: Card, luck: Luck) -> Steps[None]:
        yield from self.service.give_back(card, self.callers, luck)

    def _card_of(self, event_id: str) -> str:
        return books.card_of(self.parts.engine, event_id)

    def _note_ending(self) -> None:
        """The end state belongs to the fingerprint."""
        for order in books.read(self.parts.engine).orders.values():
            self.trace.note(order.id, f"{order.amount_fen} fen {order.state}")
        for card in self.truth.cards:
            self.trace.note(f"card {card.digits[-4:]}", f"took {card.held_fen} fen")
