"""What an issuance writes down: each is run in the commit that also stores the answer of the session."""

from sqlalchemy import Connection

from ota.core.clock import Clock
from ota.dialogue.plan import Record
from ota.issuance import channels, orders
from ota.issuance.channels import Door
from ota.issuance.first_load import Cashier
from ota.issuance.states import ISSUANCE, IssuanceEvent, IssuanceState
from ota.registry import cards, numbers

BUILT = (
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

    def touched(self, order_id: str) -> Record:
        """From here on the element may hold something of this order."""
        return lambda tx: orders.note(tx, order_id, "session_opened", {}, self._clock.now())

    def door_failed(self, door: Door) -> Record:
        """The security domain was not opened."""
        return lambda tx: channels.failed(tx, door, self._clock.now())

    def progressed(self, order_id: str, door: Door | None, *events: IssuanceEvent) -> Record:
        """The order went through these events, those that its state allows; a door that opened is clear again."""

        def write(tx: Connection) -> None:
            now = self._clock.now()
            if door is not None:
                channels.opened(tx, door, now)
            order = orders.lock(tx, order_id)
            for event in events:
                if ISSUANCE.allows(order.state, event):
                    order = order.step(tx, event, now)

        return write

    def activated(self, order_id: str, door: Door | None) -> Record:
        """The card was read back and proven: it is active, its number is bound. Again changes nothing."""

        def write(tx: Connection) -> None:
            now = self._clock.now()
            if orders.lock(tx, order_id).state is IssuanceState.ACTIVE:
                return
            if door is not None:
                self.progressed(order_id, door, *BUILT)(tx)
            order = orders.lock(tx, order_id).step(tx, IssuanceEvent.READ_BACK_VERIFIED, now)
            numbers.bind(tx, order.card, now)
            cards.bind(tx, order.card, order.city, order.product, order.se_id, order.caller_id, now)
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
