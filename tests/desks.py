"""A wallet's server for tests: answers refunds as it is told, and remembers what it was asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ota.topup.refund_port import RefundAnswer, RefundOrder


@dataclass
class ScriptedDesk:
    """Gives the scripted answers in turn; the last one again and again."""

    sends: list[RefundAnswer] = field(default_factory=lambda: [RefundAnswer.DONE])
    queries: list[RefundAnswer] = field(default_factory=lambda: [RefundAnswer.DONE])
    reachable: bool = True
    sent: list[RefundOrder] = field(default_factory=list)
    queried: list[RefundOrder] = field(default_factory=list)
    before: Callable[[], object] = lambda: None

    def reaches(self, caller_id: str) -> bool:
        return self.reachable and bool(caller_id)

    def send(self, order: RefundOrder) -> RefundAnswer:
        self.before()
        self.sent.append(order)
        return self.sends.pop(0) if len(self.sends) > 1 else self.sends[0]

    def query(self, order: RefundOrder) -> RefundAnswer:
        self.before()
        self.queried.append(order)
        return self.queries.pop(0) if len(self.queries) > 1 else self.queries[0]
