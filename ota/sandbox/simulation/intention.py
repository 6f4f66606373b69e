"""Something that a caller will not give up on: it is repeated, the same bytes under the same key, until it is answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ota.sandbox.simulation.caller import Caller
from ota.sandbox.simulation.faults import Luck
from ota.sandbox.simulation.process import Reply
from ota.sandbox.simulation.schedule import Steps
from ota.sandbox.simulation.truth import Trade, Truth

_NOT_NOW: Final = ("not_found", "card_frozen", "card_not_usable")
"""After a restore the platform may not know an order yet, and its people must look at a card first."""


@dataclass
class Intention:
    """One POST; ``trades`` are the payments that it tells of."""

    path: str
    body: Mapping[str, Any]
    key: str
    trades: tuple[Trade, ...] = ()
    reply: Reply | None = None
    is_false: bool = False
    """A wallet that vouches for what is not so: a platform that forgot the truth would believe it."""
    forgotten_id: str = ""
    """The order that the answer told of before a restore."""

    def pursue(self, caller: Caller, luck: Luck, tries: int = 4) -> Steps[Reply | None]:
        """Try some more; the final answer once there is one."""
        if self.reply is None and not (self.is_false and caller.truth.restores):
            reply = yield from caller.ask(luck, "POST", self.path, self.body, self.key, tries)
            if reply is not None and not (caller.truth.restores and reply.code in _NOT_NOW):
                self._take(reply)
        return self.reply

    def recall(self, truth: Truth) -> None:
        """After a restore: what it forgot is sent again under the same key."""
        if self.reply is None:
            return
        is_forgotten = any(trade.number in truth.forgotten_trades for trade in self.trades)
        if is_forgotten or (self.reply.ok and self.order_id in truth.forgotten_orders):
            self.forgotten_id, self.reply = self.order_id, None

    def follow(self, renamed: Mapping[str, str]) -> None:
        """What is about an order that a restore forgot is about the one that took its place.

        That is another request: the old one may have left its key behind after the restore.
        """
        for forgotten, order_id in renamed.items():
            if forgotten in self.path:
                self.path = self.path.replace(forgotten, order_id)
                self.key = f"{self.key}-{order_id[-8:]}"

    @property
    def order_id(self) -> str:
        """The order that the answer tells of; empty without one."""
        told = self.reply.json if self.reply is not None and self.reply.ok else {}
        return str(told.get("order_id") or told.get("load_id") or "")

    def _take(self, reply: Reply) -> None:
        self.reply = reply
        for trade in self.trades:
            if trade.answer != "taken":
                trade.answer = "taken" if reply.ok else "refused"
                trade.refusal = reply.code
