"""Was it loaded? The one rule that turns a fresh, verified online counter into a verdict (MONEY.md).

Nothing here looks at a balance, a clock or a client's word.
"""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """What a verified INITIALIZE FOR LOAD answer says about the card."""

    FREE = "free"
    """No MAC2 is out, and the counter is what it should be (or the card is new to the platform)."""

    LOADED = "loaded"
    """The live attempt is in the purse."""

    NOT_LOADED = "not_loaded"
    """The live attempt never reached the purse, and its MAC2 is dead: the card has made a new random since."""

    UNPROVEN = "unproven"
    """The counter moved by one, but others may load this purse too: a TAC or a journal record must tell."""

    LOADED_ELSEWHERE = "loaded_elsewhere"
    """No MAC2 is out, yet the counter moved: somebody else loaded a purse that only this platform may load."""

    JUMPED = "jumped"
    """The counter is neither N nor N + 1 of the live attempt."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """All that the rule may know.

    ``counter``: the online ATC inside a MAC1 that verified and answers a fresh challenge. ``attempt``: the online ATC
    of the live attempt, None without one. ``expected``: what the counter should be without an attempt, None for a
    card never seen. ``foreign_loads``: the purse may have been loaded without a row here: by another platform, or by this
    one before its database was restored. ``proven``: a verified TAC, or a journal record that matches the attempt, was read.
    """

    counter: int
    attempt: int | None
    expected: int | None
    foreign_loads: bool
    proven: bool


def decide(seen: Sighting) -> Verdict:
    """Give the verdict; total over every sighting."""
    if seen.attempt is None:
        return _without_attempt(seen)
    if seen.counter == seen.attempt:
        return Verdict.NOT_LOADED
    if seen.counter != seen.attempt + 1:
        return Verdict.JUMPED
    return Verdict.LOADED if seen.proven or not seen.foreign_loads else Verdict.UNPROVEN


def _without_attempt(seen: Sighting) -> Verdict:
    if seen.expected is None or seen.counter == seen.expected:
        return Verdict.FREE
    moved_on = seen.counter > seen.expected
    return Verdict.FREE if seen.foreign_loads and moved_on else Verdict.LOADED_ELSEWHERE
