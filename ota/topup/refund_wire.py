"""Talks to wallets' servers about refunds: signed JSON over HTTP(S), both ways (PROTOCOL.md, Refunds).

``POST <callback_url>/refunds`` asks for a refund, ``POST <callback_url>/refunds/query`` what became of it. The body is
``{"refund": <JWS refund+jwt>}``, signed by the platform; the answer is ``{"answer": <JWS refund-answer+jwt>}``, signed by
the wallet's registered key. Whatever is not such an answer about this very refund tells nothing.
"""

from __future__ import annotations

import logging
from typing import Final

import orjson

from ota.core.errors import OtaError
from ota.core.principal import CallerKind, Principal
from ota.events.callback import Callbacks, Unheard
from ota.topup.payment_fact import SignedFacts
from ota.topup.refund_port import RefundAnswer, RefundOrder

_log = logging.getLogger(__name__)

TYPE: Final = "refund+jwt"
ANSWER_TYPE: Final = "refund-answer+jwt"

_ECHOED: Final = ("refund_key", "channel", "trade_no", "amount_fen", "currency")
_WORDS: Final = {
    "done": RefundAnswer.DONE,
    "refused": RefundAnswer.REFUSED,
    "pending": RefundAnswer.PENDING,
    "unheard": RefundAnswer.UNHEARD,
}


class HttpWalletDesk:
    """The wallets' servers, reached over the network."""

    def __init__(self, callbacks: Callbacks, answers: SignedFacts) -> None:
        """``answers`` checks JWS of the type `ANSWER_TYPE` by a caller's key."""
        self._callbacks = callbacks
        self._answers = answers

    def reaches(self, caller_id: str) -> bool:
        """See `WalletDesk`."""
        return self._callbacks.reaches(caller_id)

    def send(self, order: RefundOrder) -> RefundAnswer:
        """See `WalletDesk`."""
        return self._ask(order, "/refunds")

    def query(self, order: RefundOrder) -> RefundAnswer:
        """See `WalletDesk`."""
        return self._ask(order, "/refunds/query")

    def _ask(self, order: RefundOrder, path: str) -> RefundAnswer:
        try:
            status, said = self._callbacks.post(order.caller_id, path, "refund", TYPE, _claims(order))
            if status != 200:
                raise Unheard(f"status {status}")  # noqa: TRY301  one place notes whatever does not count
            return self._read(order, said)
        except (Unheard, ValueError, KeyError, TypeError, OtaError) as error:
            # The kind of the error only: its message may quote what was sent.
            _log.warning("refund %s: no answer to %s that counts: %s", order.key, path, type(error).__name__)
            return RefundAnswer.SILENT

    def _read(self, order: RefundOrder, said: bytes) -> RefundAnswer:
        """The wallet's word, if it is its own and about this refund; raises for anything else."""
        signed = orjson.loads(said)["answer"]
        caller = Principal(CallerKind.WALLET, order.caller_id)
        claims = self._answers.read(caller, signed)
        ours = _claims(order)
        if any(claims[name] != ours[name] for name in _ECHOED):
            _log.error("refund %s: the wallet's answer is about another refund", order.key)
            return RefundAnswer.SILENT
        return _WORDS[str(claims["state"])]


def _claims(order: RefundOrder) -> dict[str, object]:
    return {
        "refund_key": order.key,
        "order_id": order.order_id,
        "channel": order.channel,
        "trade_no": order.trade_no,
        "amount_fen": order.amount.amount,
        "currency": "CNY",
        "reason": order.reason,
    }
