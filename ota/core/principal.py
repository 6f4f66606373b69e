"""Who is asking: the caller of a request after its token was checked."""

from dataclasses import dataclass, field
from enum import StrEnum

from ota.core.values import CityCode, TerminalNumber


class CallerKind(StrEnum):
    """The doors of the platform (PROTOCOL.md, who calls and how they prove it)."""

    WALLET = "wallet"
    PHONE = "phone"
    TERMINAL = "terminal"
    STAFF = "staff"


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller whose proof was accepted, and what it may do."""

    kind: CallerKind
    id: str
    scopes: frozenset[str] = field(default_factory=frozenset)
    city: CityCode | None = None
    terminal: TerminalNumber | None = None
    session_id: str | None = None
    se_id: str | None = None

    def may(self, scope: str) -> bool:
        """Whether the caller's token carries this scope."""
        return scope in self.scopes
