"""What a refund asks of a wallet's server, and the answers that there are. `ota.topup.refund_wire` is the real one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from ota.core.values import Fen


class RefundAnswer(StrEnum):
    """What became of a refund, as far as the wallet's signed word tells."""

    DONE = "done"
    """The customer has the money back."""

    REFUSED = "refused"
    """It will never be paid under this key."""

    PENDING = "pending"
    """The wallet has it and is working on it."""

    UNHEARD = "unheard"
    """The wallet knows no refund of this key: it may be sent."""

    SILENT = "silent"
    """No answer, or none that can be believed: nothing is known."""


@dataclass(frozen=True, slots=True)
class RefundOrder:
    """What the wallet is told: give this much of that trade back, once per key."""

    caller_id: str
    key: str
    order_id: str
    channel: str
    trade_no: str
    amount: Fen
    reason: str


class WalletDesk(Protocol):
    """The wallets' servers. Neither call raises: no answer is SILENT."""

    def reaches(self, caller_id: str) -> bool:
        """Whether the caller has said where its server listens."""
        ...

    def send(self, order: RefundOrder) -> RefundAnswer:
        """Ask for the money to be paid back; the same key again pays nothing again."""
        ...

    def query(self, order: RefundOrder) -> RefundAnswer:
        """Ask what became of a key; changes nothing."""
        ...
