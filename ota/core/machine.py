"""A state machine as a table: what may happen in a state, and where it leads."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Generic, TypeVar

from ota.core.errors import NotInThisState

State = TypeVar("State", bound=StrEnum)
Event = TypeVar("Event", bound=StrEnum)


class Machine(Generic[State, Event]):
    """The table ``(state, event) -> state`` of one subject; whatever it does not name is refused."""

    def __init__(self, subject: str, table: Mapping[tuple[State, Event], State]) -> None:
        self.subject = subject
        self.table: Mapping[tuple[State, Event], State] = MappingProxyType(dict(table))

    def after(self, state: State, event: Event) -> State:
        """The state that the event leads to; raises NotInThisState when the table has no such pair."""
        try:
            return self.table[state, event]
        except KeyError:
            raise NotInThisState(self.subject, state, event) from None

    def allows(self, state: State, event: Event) -> bool:
        """Whether the event may happen in this state."""
        return (state, event) in self.table

    def events(self, state: State) -> frozenset[Event]:
        """Every event that may happen in this state; empty for a final one."""
        return frozenset(event for known, event in self.table if known == state)
