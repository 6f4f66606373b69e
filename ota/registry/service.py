"""What callers may ask about a card."""

from ota.core.errors import InvalidValue, NotFound
from ota.core.principal import CallerKind, Principal
from ota.core.values import CardNumber
from ota.registry import cards
from ota.registry.cards import Card
from ota.store.phases import Store


class Cards:
    """The registry as callers see it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, caller: Principal, digits: str) -> Card:
        """A card of the caller's, or of the staff member's city, by its 19 digits; raises NotFound for anything else."""
        try:
            number = CardNumber(digits)
        except InvalidValue:
            raise NotFound from None
        with self._store.read() as tx:
            found = cards.find(tx, number)
        if found is None:
            raise NotFound
        if caller.kind is CallerKind.WALLET and found.wallet_id != caller.id:
            raise NotFound
        if caller.kind is CallerKind.STAFF and caller.city not in (None, found.city):
            raise NotFound
        return found
