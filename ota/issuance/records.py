"""What an issuance writes down: each is run in the commit that also stores the answer of the session."""

from typing import Final

from sqlalchemy import Connection

from ota.core.clock import Clock
from ota.core.errors import NotInThisState
from ota.dialogue.plan import Record
from ota.issuance import chips, openings, orders
from ota.issuance.channels import Door
from ota.issuance.first_load import Cashier
from ota.issuance.states import FINAL, ISSUANCE, IssuanceEvent, IssuanceState
from ota.registry import cards, numbers

BUILT: Final = (
    IssuanceEvent.CHANNEL_OPENED,
    IssuanceEvent.APPLICATIONS_INSTALLED,
    IssuanceEvent.PERSONALISATION_DONE,
)
"""Everything that must have happened before a card can be read back."""


class Records:
    """Makes the records of issuance orders."""

    def __init__(self, clock: Clock, cashier: Cashier) -> None:
        self._clock = clock
        self._cashier = cashier

    def let_in(self, order_id: str, door: Door, *, predicted: bool = False, clearing: bool = False) -> Record:
        """EXTERNAL AUTHENTICATE leaves with this answer: from here on the element may hold something of the order.

        ``predicted``: what chip that is, only the phone has said. Raises ElementDiffers for another chip than the one that
        was written to before, CardOnChip, ChannelBlocked, Busy, and NotInThisState for an order called off meanwhile.
        """
        chip = door.chip
        assert chip is not None  # noqa: S101  a channel was opened or predicted

        def write(tx: Connection) -> None:
            now = self._clock.now()
            order = orders.lock(tx, order_id)
            if order.state in FINAL or (order.state is IssuanceState.ROLLING_BACK) is not clearing:
                raise NotInThisState("issuance", order.state, "channel_opening")
            chips.require_free(tx, order, chip)
            if not clearing:  # what is cleared cannot become a second card
                bind = chips.claim if predicted else chips.pin
                bind(tx, order, chip)
            openings.trying(tx, door, now, predicted=predicted)
            orders.note(tx, order_id, "clearing" if clearing else "building", {}, now)

        return write

    def met(self, order_id: str) -> Record:
        """The prediction held: the chip is the one that was claimed."""
        return lambda tx: chips.confirm(tx, orders.lock(tx, order_id))

    def not_taken(self, order_id: str) -> Record:
        """The element took nothing of what was predicted for it."""
        return lambda tx: chips.withdraw(tx, orders.lock(tx, order_id))

    def got_in(self, door: Door) -> Record:
        """The security domain was opened, whatever became of the rest."""
        return lambda tx: openings.opened(tx, door, self._clock.now())

    def door_failed(self, door: Door) -> Record:
        """The security domain was not opened."""
        return lambda tx: openings.failed(tx, door, self._clock.now())

    def progressed(self, order_id: str, door: Door | None, *events: IssuanceEvent) -> Record:
        """The order went through these events, those that its state allows; a door that opened is clear again."""

        def write(tx: Connection) -> None:
            now = self._clock.now()
            order = orders.lock(tx, order_id)  # always before what counts for its door
            if door is not None:
                openings.opened(tx, door, now)
            for event in events:
                if ISSUANCE.allows(order.state, event):
                    order = order.step(tx, event, now)

        return write

    def activated(self, order_id: str, door: Door | None, counter: int) -> Record:
        """The card was read back and proven, with this counter in its MAC1: it is active, its number is bound.

        Again changes nothing. A card that a restore left in question may be loaded by what the restore made the platform
        forget: the counter that it shows next is believed.
        """

        def write(tx: Connection) -> None:
            now = self._clock.now()
            if orders.lock(tx, order_id).state is IssuanceState.ACTIVE:
                return
            if door is not None:
                self.progressed(order_id, door, *BUILT)(tx)
            order = orders.lock(tx, order_id).step(tx, IssuanceEvent.READ_BACK_VERIFIED, now)
            chips.confirm(tx, order)  # a card that proves itself took the one batch that ever left
            numbers.bind(tx, order.card, now)
            cards.bind(tx, order.card, order.city, order.product, order.se_id, order.caller_id, now)
            if order.is_in_question:
                cards.believe_next(tx, order.card, now)
            else:
                cards.saw_counter(tx, order.card, counter, now)
            self._cashier.earn_fee(tx, order.id)

        return write

    def cleared(self, order_id: str) -> Record:
        """The element holds nothing of the order any more; its number is spent."""

        def write(tx: Connection) -> None:
            now = self._clock.now()
            order = orders.lock(tx, order_id)
            if ISSUANCE.allows(order.state, IssuanceEvent.ELEMENT_CLEARED):
                numbers.retire(tx, order.step(tx, IssuanceEvent.ELEMENT_CLEARED, now).card, now)
                self._cashier.card_not_made(tx, order.id)

        return write
