"""What the tables tell in two places is told alike: each rule finds nothing as long as it is.

Whoever changes one table makes it contradict another one; the books are only one of the places in which money is told of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import CompoundSelect, Connection, Select, except_

Found = tuple[str, str, str]
"""A subject, a stable word, and what is wrong with it."""

Rule = Callable[[Connection], Iterator[Found]]
"""Looks at all rows at once and finds what contradicts."""

Telling = Select[*tuple[Any, ...]]
"""Subjects and what is told of them."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """A query of subjects and what is told of them, which finds nothing where all is well.

    ``says`` names what was told as ``{0}``, ``{1}`` …
    """

    what: str
    says: str
    query: Telling | CompoundSelect[*tuple[Any, ...]]

    def __call__(self, tx: Connection) -> Iterator[Found]:
        """What is wrong, by subject."""
        for subject, *told in sorted(tx.execute(self.query), key=str):
            yield _shown(subject), self.what, self.says.format(*told)


def alike(what: str, says: str, ones: tuple[str, Telling], others: tuple[str, Telling]) -> Iterator[Rule]:
    """Two places, each with its name, tell the same rows; what only one of them tells is a difference."""
    for (name, told), (silent, missing) in ((ones, others), (others, ones)):
        yield Nothing(what, f"{says}: told by {name}, not by {silent}", except_(told, missing))


def _shown(subject: str) -> str:
    """A card is known by its number, which no report may hold in full."""
    return f"card …{subject[-4:]}" if subject.isdigit() else subject
