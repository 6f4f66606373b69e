"""What an issuance asks of top-up: orders and payments, and a first load in the same conversation.

Top-up stands beside issuance and neither imports the other: `ota.wiring` hands this in.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from sqlalchemy import Connection

from ota.card.apdu import Response
from ota.card.batch import BatchCommand
from ota.core.principal import Principal
from ota.core.values import CardNumber, CityCode, Fen
from ota.dialogue.plan import Step, Talk

SignedPayment = object
"""A payment whose signature was checked; only the cashier looks inside."""


class Cashier(Protocol):
    """Takes the money of an issuance."""

    def read_payment(self, caller: Principal, signed: str) -> SignedPayment:
        """Check a payment's signature, before a phase is open; raises the errors of payments."""
        ...

    def order_first_load(
        self,
        tx: Connection,
        caller: Principal,
        key: str,
        card: CardNumber,
        amount: Fen,
        payment: SignedPayment,
        issuance_id: str,
    ) -> str:
        """Make a paid top-up order for a card that is about to be issued; returns its id."""
        ...

    def book_fee(
        self,
        tx: Connection,
        caller: Principal,
        order_id: str,
        city: CityCode,
        fee: Fen,
        payment: SignedPayment,
    ) -> None:
        """Book the signed payment of a fee in the books of the card's city."""
        ...

    def earn_fee(self, tx: Connection, order_id: str) -> None:
        """The card is active: its fee is earned."""
        ...

    def card_not_made(self, tx: Connection, order_id: str) -> None:
        """There will be no card: what was paid for it goes back."""
        ...

    def knows_number(self, tx: Connection, card: CardNumber) -> bool:
        """Whether a top-up was ever ordered for this number."""
        ...


class FirstLoads(Protocol):
    """Drives the load that follows an issuance without a further round trip."""

    def opening(self, order_id: str) -> tuple[Sequence[BatchCommand], Mapping[str, object]] | None:
        """SELECT and INITIALIZE FOR LOAD with a challenge, and what must be remembered until their answers come.

        None when there is nothing to load any more.
        """
        ...

    def check_proof(self, context: Mapping[str, object], answer: Response) -> int:
        """The new card's online counter; raises unless the answer to INITIALIZE FOR LOAD carries a MAC1 of it."""
        ...

    def carry_on(self, talk: Talk, order_id: str, context: Mapping[str, object], answer: Response) -> Step:
        """Take that answer as the top-up's own: the session goes on as a top-up."""
        ...
