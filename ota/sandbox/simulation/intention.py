"""Something that a caller will not give up on: it is repeated, the same bytes under the same key, until it is answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ota.sandbox.simulation.caller import Caller
from ota.sandbox.simulation.faults import Luck
from ota.sandbox.simulation.process import Reply
from ota.sandbox.simulation.schedule import Steps
from ota.sandbox.simulation.truth import Trade


@dataclass
class Intention:
    """One POST; ``trades`` are the payments that it tells of."""

    path: str
    body: Mapping[str, Any]
    key: str
    trades: tuple[Trade, ...] = ()
    reply: Reply | None = None

    def pursue(self, caller: Caller, luck: Luck, tries: int = 4) -> Steps[Reply | None]:
        """Try some more; the final answer once there is one."""
        if self.reply is None:
            reply = yield from caller.ask(luck, "POST", self.path, self.body, self.key, tries)
            if reply is not None:
                self._take(reply)
        return self.reply

    def _take(self, reply: Reply) -> None:
        self.reply = reply
        for trade in self.trades:
            if trade.answer != "taken":
                trade.answer = "taken" if reply.ok else "refused"
