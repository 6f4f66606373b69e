"""Receipts for loads at terminals: a signed statement that the money is on the card."""

from collections.abc import Mapping
from typing import Protocol

from ota.core.clock import Clock
from ota.topup.orders import TopupOrder
from ota.topup.service import MONEY_PLACES


class Signs(Protocol):
    """Signs what has been done."""

    def sign(self, claims: Mapping[str, object], *, type_: str) -> str:
        """A compact JWS."""
        ...


class LoadReceipts:
    """Makes receipts of proven loads."""

    def __init__(self, signer: Signs, clock: Clock, issuer: str) -> None:
        self._signer = signer
        self._clock = clock
        self._issuer = issuer

    def of(self, order: TopupOrder) -> str:
        """The receipt of a load that is proven."""
        return self._signer.sign(
            {
                "iss": self._issuer,
                "iat": int(self._clock.now().timestamp()),
                "order_id": order.id,
                "state": str(order.state),
                "money": MONEY_PLACES[order.state],
                "card_no": order.card.digits,
                "amount_fen": order.amount.amount,
            },
            type_="receipt+jwt",
        )
