"""The wallets' servers that pay refunds: they lose answers, refuse, take their time; and pay no key twice."""

from __future__ import annotations

from typing import Final

from ota.sandbox.simulation.faults import Fault, Luck
from ota.sandbox.simulation.trace import Trace
from ota.sandbox.simulation.truth import Truth, Violated
from ota.topup.refund_port import RefundAnswer, RefundOrder

_NEVER_SENT: Final = RefundAnswer.UNHEARD


class RefundDesk:
    """All wallets' payment sides in one; `Truth` learns what customers really get back."""

    def __init__(self, truth: Truth, trace: Trace, luck: Luck) -> None:
        self._truth = truth
        self._trace = trace
        self._luck = luck
        self._known: dict[str, RefundAnswer] = {}

    def reaches(self, caller_id: str) -> bool:
        """Wallets listen, terminals do not: what was paid at one goes back by hand."""
        return not caller_id.startswith("sandbox-terminal")

    def send(self, order: RefundOrder) -> RefundAnswer:
        """Pay, unless something is in the way."""
        if self._luck.strikes(Fault.REFUND_LOST):
            return RefundAnswer.SILENT
        if order.key not in self._known:
            self._known[order.key] = self._work_on(order)
        return self._said(order)

    def query(self, order: RefundOrder) -> RefundAnswer:
        """Tell what became of a key."""
        if self._known.get(order.key) is RefundAnswer.PENDING:
            self._known[order.key] = self._pay(order)
        return self._said(order)

    def _work_on(self, order: RefundOrder) -> RefundAnswer:
        if self._luck.strikes(Fault.REFUND_SLOW):
            return RefundAnswer.PENDING
        return self._pay(order)

    def _pay(self, order: RefundOrder) -> RefundAnswer:
        trade = self._truth.trades.get(order.trade_no)
        if trade is None or order.amount.amount != trade.amount_fen or trade.payer != order.caller_id:
            raise Violated("a refund gives back what was paid", f"{order.key} is about no such payment")
        trade.returned_fen += order.amount.amount
        if trade.returned_fen > trade.amount_fen:
            raise Violated("one refund per payment", f"{trade.number} was given back twice")
        self._trace.note("refund desk", f"pays {order.amount.amount} fen of {trade.number} back")
        return RefundAnswer.DONE

    def _said(self, order: RefundOrder) -> RefundAnswer:
        if self._luck.strikes(Fault.REFUND_ANSWER_LOST):
            return RefundAnswer.SILENT
        return self._known.get(order.key, _NEVER_SENT)
