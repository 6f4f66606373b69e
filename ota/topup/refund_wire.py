"""Talks to wallets' servers about refunds: signed JSON over HTTP(S), both ways (PROTOCOL.md, Refunds).

``POST <callback_url>/refunds`` asks for a refund, ``POST <callback_url>/refunds/query`` what became of it. The body is
``{"refund": <JWS refund+jwt>}``, signed by the platform; the answer is ``{"answer": <JWS refund-answer+jwt>}``, signed by
the wallet's registered key. Whatever is not such an answer about this very refund tells nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Final, Protocol
from urllib.parse import SplitResult, urlsplit

import orjson

from ota.core.clock import Clock
from ota.core.errors import OtaError
from ota.core.principal import CallerKind, Principal
from ota.topup.payments import SignedFacts
from ota.topup.refund_port import RefundAnswer, RefundOrder

_log = logging.getLogger(__name__)

TYPE: Final = "refund+jwt"
ANSWER_TYPE: Final = "refund-answer+jwt"

_CONNECT_S: Final = 2.0
_READ_S: Final = 5.0
_LONGEST: Final = 64 * 1024
_ECHOED: Final = ("refund_key", "channel", "trade_no", "amount_fen", "currency")
_WORDS: Final = {
    "done": RefundAnswer.DONE,
    "refused": RefundAnswer.REFUSED,
    "pending": RefundAnswer.PENDING,
    "unheard": RefundAnswer.UNHEARD,
}


class Signs(Protocol):
    """The platform's signature."""

    def sign(self, claims: Mapping[str, object], *, type_: str) -> str:
        """A compact JWS."""
        ...


CallbackOf = Callable[[str], str | None]
"""Where a caller's server listens, without a slash at the end; None when it has not said."""


class HttpWalletDesk:
    """The wallets' servers, reached over the network. Follows no redirect: the address is the one registered."""

    def __init__(
        self, callback_of: CallbackOf, signer: Signs, answers: SignedFacts, clock: Clock, issuer: str
    ) -> None:
        """``answers`` checks JWS of the type `ANSWER_TYPE` by a caller's key; ``issuer`` is this platform's name."""
        self._callback_of = callback_of
        self._signer = signer
        self._answers = answers
        self._clock = clock
        self._issuer = issuer

    def reaches(self, caller_id: str) -> bool:
        """See `WalletDesk`."""
        return self._callback_of(caller_id) is not None

    def send(self, order: RefundOrder) -> RefundAnswer:
        """See `WalletDesk`."""
        return self._ask(order, "/refunds")

    def query(self, order: RefundOrder) -> RefundAnswer:
        """See `WalletDesk`."""
        return self._ask(order, "/refunds/query")

    def _ask(self, order: RefundOrder, path: str) -> RefundAnswer:
        callback = self._callback_of(order.caller_id)
        if callback is None:
            return RefundAnswer.SILENT
        body = orjson.dumps({"refund": self._signer.sign(self._claims(order), type_=TYPE)})
        try:
            said = _post(urlsplit(callback), path, body)
            return self._read(order, said)
        except (OSError, HTTPException, ValueError, KeyError, TypeError, OtaError) as error:
            # The kind of the error only: its message may quote what was sent.
            _log.warning("refund %s: no answer to %s that counts: %s", order.key, path, type(error).__name__)
            return RefundAnswer.SILENT

    def _read(self, order: RefundOrder, said: bytes) -> RefundAnswer:
        """The wallet's word, if it is its own and about this refund; raises for anything else."""
        signed = orjson.loads(said)["answer"]
        caller = Principal(CallerKind.WALLET, order.caller_id)
        claims = self._answers.read(caller, signed)
        ours = self._claims(order)
        if any(claims[name] != ours[name] for name in _ECHOED):
            _log.error("refund %s: the wallet's answer is about another refund", order.key)
            return RefundAnswer.SILENT
        return _WORDS[str(claims["state"])]

    def _claims(self, order: RefundOrder) -> dict[str, object]:
        return {
            "iss": self._issuer,
            "aud": order.caller_id,
            "iat": int(self._clock.now().timestamp()),
            "refund_key": order.key,
            "order_id": order.order_id,
            "channel": order.channel,
            "trade_no": order.trade_no,
            "amount_fen": order.amount.amount,
            "currency": "CNY",
            "reason": order.reason,
        }


def _post(callback: SplitResult, path: str, body: bytes) -> bytes:
    """The body of a 200 answer; raises for every other outcome."""
    kind = HTTPSConnection if callback.scheme == "https" else HTTPConnection
    connection = kind(callback.hostname or "", callback.port, timeout=_CONNECT_S)
    try:
        connection.connect()
        connection.sock.settimeout(_READ_S)
        connection.request("POST", f"{callback.path}{path}", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        said = answer.read(_LONGEST + 1)
    finally:
        connection.close()
    if answer.status != 200 or len(said) > _LONGEST:
        raise ValueError(f"status {answer.status}, {len(said)} bytes")
    return said
