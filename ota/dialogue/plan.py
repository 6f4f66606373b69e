"""What a feature tells the dialogue: which commands next, what to write down, and how it ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from sqlalchemy import Connection

from ota.card.batch import Batch, BatchCommand, Checked
from ota.core.errors import OtaError
from ota.core.principal import Principal
from ota.dialogue.element import Opening
from ota.dialogue.states import SessionEvent

Record = Callable[[Connection], None]
"""Writes rows inside the one commit that also stores the answer."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What a phone may show its user: a stable step name, percent, and a sentence in two languages."""

    step: str
    percent: int
    english: str
    chinese: str

    def to_json(self) -> dict[str, object]:
        """The form in which a batch carries it."""
        return {
            "step": self.step,
            "percent": self.percent,
            "message": {"zh-CN": self.chinese, "en": self.english},
        }


@dataclass(frozen=True, slots=True)
class Talk:
    """A session as a plan sees it: for which wallet, with what, and the context that the plan left last time."""

    session_id: str
    subject_id: str
    caller: Principal
    opening: Opening
    context: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """One move of a plan.

    ``event`` is BATCH_SENT with commands, or the way the session ends. ``records`` are run in the commit that stores
    the answer, so that a state and the answer that rests on it are durable together. ``plan`` and ``subject_id``
    hand the session over to another plan (issuance to its first load).
    """

    event: SessionEvent
    commands: tuple[BatchCommand, ...] = ()
    context: Mapping[str, object] = field(default_factory=dict)
    progress: Progress | None = None
    outcome: Mapping[str, object] = field(default_factory=dict)
    problem: OtaError | None = None
    records: tuple[Record, ...] = ()
    plan: str | None = None
    subject_id: str | None = None

    def and_record(self, first: Record) -> Step:
        """The same move, with other rows written before its own."""
        return replace(self, records=(first, *self.records))

    def record(self, tx: Connection) -> None:
        """Write every row of the move."""
        for write in self.records:
            write(tx)

    def as_plan(self, plan: str, subject_id: str) -> Step:
        """The same move, made in the name of another plan."""
        return replace(self, plan=plan, subject_id=subject_id)


def send(commands: tuple[BatchCommand, ...], context: Mapping[str, object], progress: Progress) -> Step:
    """Go on with another batch."""
    return Step(SessionEvent.BATCH_SENT, commands=commands, context=context, progress=progress)


def finish(outcome: Mapping[str, object], progress: Progress) -> Step:
    """End well."""
    return Step(SessionEvent.WORK_FINISHED, outcome=outcome, progress=progress)


def fail(problem: OtaError, outcome: Mapping[str, object] | None = None) -> Step:
    """End because the card, the order or the platform does not let the work go on; the outcome is known."""
    return Step(SessionEvent.WORK_FAILED, problem=problem, outcome=outcome or {})


def lose(problem: OtaError, outcome: Mapping[str, object] | None = None) -> Step:
    """End because the card is out of reach; the next contact finds out how it stands."""
    return Step(SessionEvent.CARD_LOST, problem=problem, outcome=outcome or {})


class Plan(Protocol):
    """A feature's side of the conversation. Both methods may be called again for the same state: a crash repeats."""

    def open(self, talk: Talk) -> Step:
        """The first batch."""
        ...

    def advance(self, talk: Talk, batch: Batch, report: Checked) -> Step:
        """What follows from a report that fits the batch."""
        ...

    def may_open(self, caller: Principal, subject_id: str) -> None:
        """Raise NotFound unless the caller owns the subject."""
        ...


DEFAULT_DEADLINE_MS: Final = 12_000
