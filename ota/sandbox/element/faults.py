"""Planned accidents: the power goes at a chosen instant, or the card answers a chosen status word."""

from __future__ import annotations

from enum import StrEnum


class TornCard(Exception):
    """The card is gone: whoever was talking to it got no answer."""


class PowerCut(TornCard):
    """The power went; what was written stays, everything else is forgotten."""


class Instant(StrEnum):
    """Where inside a command the power can go."""

    BEFORE_WRITE = "before_write"
    AFTER_WRITE = "after_write"


CREDIT = "credit"
"""CREDIT FOR LOAD: purse, counter, log and TAC are one write."""
DEBIT = "debit"
"""DEBIT FOR PURCHASE: purse, counter, log, TAC and the cached files are one write."""


class Faults:
    """The accidents still to come. Each happens once; commands are counted from when it was planned, first is 1."""

    def __init__(self) -> None:
        self._commands = 0
        self._before: set[int] = set()
        self._after: set[int] = set()
        self._inside: dict[str, Instant] = {}
        self._answers: dict[int, list[int]] = {}

    def cut_before(self, command: int) -> None:
        """Cut the power before the card sees the n-th command from now."""
        self._before.add(self._commands + command)

    def cut_after(self, command: int) -> None:
        """Cut the power when the n-th command from now is done, its answer lost."""
        self._after.add(self._commands + command)

    def cut_inside(self, operation: str, instant: Instant) -> None:
        """Cut the power inside the next CREDIT or DEBIT, before or after its one write."""
        self._inside[operation] = instant

    def answer(self, ins: int, sw: int, times: int = 1) -> None:
        """Answer the next commands of an instruction with a status word, without running them."""
        self._answers.setdefault(ins, []).extend([sw] * times)

    def clear(self) -> None:
        """Forget every accident that has not happened."""
        self._before.clear()
        self._after.clear()
        self._inside.clear()
        self._answers.clear()

    def command_arrives(self) -> None:
        """Count a command; called by the card."""
        self._commands += 1
        self._cut_if(self._commands in self._before)

    def command_is_done(self) -> None:
        """Called by the card when its answer is about to leave."""
        self._cut_if(self._commands in self._after)

    def passes(self, operation: str, instant: Instant) -> None:
        """Called by the card at an instant inside an operation."""
        if self._inside.get(operation) == instant:
            del self._inside[operation]
            self._cut_if(due=True)

    def planned_answer(self, ins: int) -> int | None:
        """The status word to answer instead of running a command, if one is planned."""
        waiting = self._answers.get(ins)
        return waiting.pop(0) if waiting else None

    @staticmethod
    def _cut_if(due: bool) -> None:  # noqa: FBT001 - it is the sentence
        if due:
            raise PowerCut("the power was cut")
