"""What can go wrong in a simulation, how often, and the dice that decide it.

Every draw has a name: who met which fault for the how-manieth time. So a run can be repeated with some of its faults
left out (to find the shortest trace), or with chosen ones forced (to try each single one).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import Final

from ota.sandbox.simulation.practice import Practice


class Fault(StrEnum):
    """One kind of accident, attack or coincidence."""

    REQUEST_LOST = "request_lost"
    REQUEST_LATE = "request_late"
    REQUEST_TWICE = "request_twice"
    ANSWER_LOST = "answer_lost"
    ANSWER_LATE = "answer_late"

    DIES_BEFORE_COMMIT = "dies_before_commit"
    DIES_INSIDE_COMMIT = "dies_inside_commit"
    DIES_AFTER_COMMIT = "dies_after_commit"
    DIES_BEFORE_ANSWER = "dies_before_answer"
    COMMIT_UNKNOWN = "commit_unknown"
    DATABASE_DOWN = "database_down"
    DEPLOY = "deploy"
    RACE = "race"
    STALL = "stall"
    CLOCK_JUMP = "clock_jump"
    JOB_LATE = "job_late"
    KEY_ROTATED = "key_rotated"

    HSM_SLOW = "hsm_slow"
    HSM_DOWN = "hsm_down"
    HSM_ANSWER_LOST = "hsm_answer_lost"

    TORN_BEFORE = "torn_before"
    TORN_AFTER = "torn_after"
    TORN_BEFORE_WRITE = "torn_before_write"
    TORN_AFTER_WRITE = "torn_after_write"
    CARD_REFUSES = "card_refuses"
    CARD_SLOW = "card_slow"
    PURCHASE = "purchase"
    SECOND_TERMINAL = "second_terminal"
    SECOND_PHONE = "second_phone"
    ELEMENT_REFUSES = "element_refuses"
    ELEMENT_FULL = "element_full"
    LEFT_BEHIND = "left_behind"

    PHONE_DIES = "phone_dies"
    PHONE_FORGETS = "phone_forgets"
    REPORT_HELD_BACK = "report_held_back"
    LYING_STATUS = "lying_status"
    LYING_BYTES = "lying_bytes"
    FALSE_SUCCESS = "false_success"
    FALSE_FAILURE = "false_failure"
    OLD_ANSWER = "old_answer"
    HOARDED_ANSWER = "hoarded_answer"
    WRONG_SEQ = "wrong_seq"
    OTHER_REPORT = "other_report"
    TOKEN_REPLAYED = "token_replayed"

    NOTICE_LATE = "notice_late"
    NOTICE_TWICE = "notice_twice"
    NOTICE_FORGED = "notice_forged"
    AMOUNT_WRONG = "amount_wrong"
    PAID_TWICE = "paid_twice"
    PAID_AFTER_CLOSE = "paid_after_close"
    TRADE_REUSED = "trade_reused"

    CARD_CANCELLED = "card_cancelled"
    REFUND_ASKED = "refund_asked"
    REFUND_LOST = "refund_lost"
    REFUND_ANSWER_LOST = "refund_answer_lost"
    REFUND_SLOW = "refund_slow"
    EVENT_LOST = "event_lost"
    EVENT_ANSWER_LOST = "event_answer_lost"
    EVENT_REFUSED = "event_refused"

    # New kinds stand at the end: a seed draws its kinds in this order.
    CARD_KEY_ROTATED = "card_key_rotated"
    CARD_KEY_AHEAD = "card_key_ahead"
    SMALL_BATCHES = "small_batches"
    STAFF_DECIDES = "staff_decides"
    CITY_HOST_DOWN = "city_host_down"
    CITY_HOST_LOST = "city_host_lost"
    CITY_HOST_LATE = "city_host_late"
    CITY_HOST_TWICE = "city_host_twice"
    CITY_HOST_FORGED = "city_host_forged"
    CITY_HOST_BROKEN = "city_host_broken"
    RESTORE = "restore"
    LOADED_BY_OTHERS = "loaded_by_others"
    COLLECTED_ANSWER = "collected_answer"


HOST_FAULTS: Final = (
    Fault.CITY_HOST_DOWN,
    Fault.CITY_HOST_LOST,
    Fault.CITY_HOST_LATE,
    Fault.CITY_HOST_TWICE,
    Fault.CITY_HOST_FORGED,
    Fault.CITY_HOST_BROKEN,
)
"""What happens to a message to a self-issuing city's host."""

_OFTEN: Final = 0.25
_NOW_AND_THEN: Final = 0.12
_SOMETIMES: Final = 0.08
_RARELY: Final = 0.03

RATES: Final[Mapping[Fault, float]] = dict.fromkeys(Fault, _SOMETIMES) | {
    Fault.DIES_BEFORE_COMMIT: _RARELY,
    Fault.DIES_INSIDE_COMMIT: _RARELY,
    Fault.DIES_AFTER_COMMIT: _RARELY,
    Fault.DIES_BEFORE_ANSWER: _RARELY,
    Fault.COMMIT_UNKNOWN: _RARELY,
    Fault.DATABASE_DOWN: _RARELY,
    Fault.HSM_DOWN: _RARELY,
    Fault.HSM_ANSWER_LOST: _RARELY,
    Fault.RACE: _OFTEN,
    Fault.STALL: 0.05,
    Fault.FALSE_SUCCESS: _OFTEN,
    Fault.PURCHASE: _NOW_AND_THEN,
    Fault.SECOND_TERMINAL: _NOW_AND_THEN,
    Fault.SECOND_PHONE: _NOW_AND_THEN,
    Fault.NOTICE_LATE: _OFTEN,
    Fault.NOTICE_TWICE: _OFTEN,
    Fault.NOTICE_FORGED: _OFTEN,
    Fault.AMOUNT_WRONG: _OFTEN,
    Fault.PAID_TWICE: _OFTEN,
    Fault.TRADE_REUSED: _OFTEN,
    Fault.CARD_REFUSES: _RARELY,
    Fault.ELEMENT_REFUSES: _RARELY,
    Fault.ELEMENT_FULL: _NOW_AND_THEN,
    Fault.LEFT_BEHIND: _OFTEN,
    Fault.EVENT_LOST: _OFTEN,
    Fault.EVENT_ANSWER_LOST: _OFTEN,
    Fault.EVENT_REFUSED: _OFTEN,
    Fault.TORN_BEFORE_WRITE: _OFTEN,
    Fault.TORN_AFTER_WRITE: _OFTEN,
    Fault.HOARDED_ANSWER: _OFTEN,
    Fault.REFUND_LOST: _OFTEN,
    Fault.REFUND_ANSWER_LOST: _OFTEN,
    Fault.REFUND_SLOW: _OFTEN,
    Fault.CARD_KEY_ROTATED: _OFTEN,
    Fault.SMALL_BATCHES: _OFTEN,
    Fault.RESTORE: _NOW_AND_THEN,
    Fault.LOADED_BY_OTHERS: _NOW_AND_THEN,
    Fault.COLLECTED_ANSWER: _OFTEN,
}
"""How often each kind strikes at one opportunity, before a seed makes everything rarer or more frequent."""

_INTENSITIES: Final = (0.3, 1.0, 1.0, 2.0)


class Route(StrEnum):
    """How a customer pays and meets the platform."""

    APP = "app"
    """In a wallet's app, paid with the order."""
    APP_LATER = "app_later"
    """In a wallet's app, paid after the order."""
    TERMINAL = "terminal"
    NEW_CARD = "new_card"
    """A blank card for an empty element, with a first load."""


@dataclass(frozen=True, order=True, slots=True)
class Strike:
    """One fault that happened: to whom, which, at the how-manieth opportunity of that actor (first is 1)."""

    actor: str
    fault: Fault
    number: int

    def __str__(self) -> str:
        return f"{self.actor}: {self.fault} at opportunity {self.number}"


@dataclass(frozen=True, slots=True)
class Scenario:
    """All that a run depends on.

    ``orders`` are the numbers of the orders that are placed; ``route`` sends all customers one way. ``faults`` None
    lets the seed choose its own subset (swarm testing); ``spared`` are strikes that do not happen although the dice
    say so; ``forced`` replaces the dice: these strikes happen and no others. ``pace`` is how much more often than
    usual faults strike; None lets the seed choose. ``city_host`` says whether one city has a host of its own, ``practice``
    how two others let their cards be loaded.
    """

    seed: int
    orders: tuple[int, ...]
    faults: frozenset[Fault] | None = None
    spared: frozenset[Strike] = frozenset()
    forced: frozenset[Strike] | None = None
    route: Route | None = None
    pace: float | None = None
    city_host: bool | None = None
    practice: Practice | None = None

    @property
    def habit(self) -> Practice:
        """How two of the cities let their cards be loaded."""
        if self.practice is not None or self.forced is not None:
            return self.practice or Practice.USUAL
        return Practice.drawn(self.seed)

    @property
    def has_city_host(self) -> bool:
        """Whether one of the cities answers for its cards itself."""
        if self.city_host is not None or self.forced is not None:
            return bool(self.city_host)
        return Fault.CITY_HOST_DOWN in self.enabled

    @property
    def enabled(self) -> frozenset[Fault]:
        """The kinds of faults that this run may meet."""
        if self.faults is not None:
            return self.faults
        random = Random(f"{self.seed} swarm")
        return frozenset(fault for fault in Fault if random.random() < 0.5)

    @property
    def intensity(self) -> float:
        """How much rarer or more frequent than usual faults are."""
        return self.pace or Random(f"{self.seed} intensity").choice(_INTENSITIES)


@dataclass
class Dice:
    """Decides for one run which faults strike, and remembers them."""

    scenario: Scenario
    calm: bool = False
    """Once true, nothing strikes any more."""
    struck: list[Strike] = field(default_factory=list)
    met: dict[Strike, str] = field(default_factory=dict)
    """Where the opportunities were; kept only while strikes are forced."""

    def __post_init__(self) -> None:
        self.enabled = self.scenario.enabled
        self._intensity = self.scenario.intensity

    def luck(self, actor: str) -> Luck:
        """The luck of one actor: its own draws, whatever the others do."""
        return Luck(self, actor)

    def decide(self, strike: Strike, drawn: float, where: str) -> bool:
        """Whether a fault strikes; ``drawn`` is from 0 to 1, ``where`` names the edge for people."""
        if self.calm:
            return False
        if self.scenario.forced is not None:
            self.met[strike] = where
        if not self._falls(strike, drawn):
            return False
        self.struck.append(strike)
        return True

    def _falls(self, strike: Strike, drawn: float) -> bool:
        scenario = self.scenario
        if scenario.forced is not None:
            return strike in scenario.forced
        rate = RATES[strike.fault] * self._intensity
        return strike.fault in self.enabled and drawn < rate and strike not in scenario.spared


class Luck:
    """The draws of one actor. Each kind of fault has its own sequence: leaving one out does not change the others."""

    def __init__(self, dice: Dice, actor: str) -> None:
        self._dice = dice
        self.actor = actor
        self.choice = Random(f"{dice.scenario.seed} {actor}")
        self._draws: dict[Fault, Random] = {}
        self._numbers: Counter[Fault] = Counter()

    def strikes(self, fault: Fault, where: str = "") -> bool:
        """Whether this fault happens now, at this edge."""
        draws = self._draws.get(fault)
        if draws is None:
            draws = self._draws[fault] = Random(f"{self._dice.scenario.seed} {self.actor} {fault}")
        self._numbers[fault] += 1
        return self._dice.decide(Strike(self.actor, fault, self._numbers[fault]), draws.random(), where)
