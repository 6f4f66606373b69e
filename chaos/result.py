"""What a run was asked for, and what came of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from chaos.plan import KILLS, Blow, Strike, digest
from chaos.program import Restart
from chaos.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Order:
    """What to run."""

    kills: int = 300
    topups: int = 3000
    seed: int = 1
    phones: int = 8


@dataclass
class Result:
    """What came of a run."""

    order: Order
    plan: tuple[Strike, ...]
    not_possible: dict[str, str]
    struck: Counter[Blow] = field(default_factory=Counter)
    restarts: list[Restart] = field(default_factory=list)
    unasked: list[str] = field(default_factory=list)
    topups: int = 0
    cards: int = 0
    seconds: float = 0.0
    drain_s: float = 0.0
    refusals: Counter[str] = field(default_factory=Counter)
    verdict: Verdict | None = None
    complaints: list[str] = field(default_factory=list)

    @property
    def kills(self) -> int:
        """How many processes were killed."""
        return sum(self.struck[blow] for blow in KILLS)

    @property
    def ok(self) -> bool:
        """Whether every promise was kept."""
        return self.verdict is not None and self.verdict.ok and not self.complaints

    def to_json(self) -> dict[str, Any]:
        """The figures."""
        slowest = dict.fromkeys(sorted({each.program for each in self.restarts}), 0.0)
        for each in self.restarts:
            slowest[each.program] = max(slowest[each.program], each.seconds)
        found = self.verdict or Verdict(0, 0, (), (), ("no verdict",))
        return {
            "ok": self.ok,
            "seed": self.order.seed,
            "plan": digest(self.plan),
            "kills": self.kills,
            "topups": self.topups,
            "cards": self.cards,
            "lost_fen": found.lost_fen,
            "doubled_fen": found.doubled_fen,
            "not_converged": list(found.not_converged),
            "explained": list(found.explained),
            "complaints": [*self.complaints, *found.complaints],
            "struck": {str(blow): self.struck[blow] for blow in Blow if self.struck[blow]},
            "not_possible": self.not_possible,
            "restarts": len(self.restarts),
            "slowest_restart_s": slowest,
            "ended_unasked": dict(Counter(self.unasked)),
            "refusals": dict(sorted(self.refusals.items())),
            "seconds": round(self.seconds, 1),
            "drain_s": round(self.drain_s, 1),
        }
