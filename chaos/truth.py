"""What really happened, whatever the platform believes: money that was paid, taken by cards, and given back."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from ota.sandbox.element import Element, TornCard
from ota.sandbox.element.purse import State
from ota.sandbox.element.tunion import TUnion
from ota.sandbox.transport import CardGone


@dataclass
class Intent:
    """One top-up that a customer has paid for. The order's id is known once the platform has acknowledged it."""

    card_no: str
    trade_no: str
    amount_fen: int
    order_id: str | None = None
    state: str = "unanswered"


@dataclass
class Card:
    """One element with a card on it, and every credit that its purse took: the counter before it, and fen."""

    element: Element
    number: str | None = None
    credits: list[tuple[int, int]] = field(default_factory=list)

    @property
    def state(self) -> State:
        """The durable state of the purse; an element without one holds nothing."""
        applets = self.element._registry.applets  # noqa: SLF001  the truth looks inside of the chip
        purses = (applet.purse.state for applet in applets if isinstance(applet, TUnion))
        return next(purses, State())

    def transmit(self, apdu: bytes) -> bytes:
        """Hand a command over and watch what it does to the purse."""
        before = self.state
        try:
            return self.element.transmit(apdu)
        finally:
            after = self.state
            if after.online_counter != before.online_counter:
                self.credits.append((before.online_counter, after.balance - before.balance))


class CardOnPhone:
    """The way from a phone to its card; `tear` takes the card away."""

    def __init__(self, card: Card) -> None:
        self._card: Card | None = card
        card.element.reset()

    def transmit(self, apdu: bytes) -> bytes:
        """See `ota.sandbox.transport.Transport`."""
        try:
            return self._require().transmit(apdu)
        except TornCard as error:
            self._card = None
            raise CardGone("se_unavailable", "the card was torn") from error

    def reset(self) -> None:
        """Cut the power."""
        self._require().element.reset()

    def close(self) -> None:
        """Take the card away."""
        if self._card is not None:
            self._card.element.reset()
            self._card = None

    def _require(self) -> Card:
        if self._card is None:
            raise CardGone("se_unavailable", "the card was taken away")
        return self._card


@dataclass
class Truth:
    """Everything that is known outside of the platform; filled by many threads."""

    cards: list[Card] = field(default_factory=list)
    intents: list[Intent] = field(default_factory=list)
    returned_fen: Counter[str] = field(default_factory=Counter)
    """What customers have back, by trade."""
    mistakes: Counter[str] = field(default_factory=Counter)
    """Answers that no platform should give, whatever is killed."""
    refusals: Counter[str] = field(default_factory=Counter)
    """Every answer that said no, by status and code."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def change(self, do: Callable[[Truth], None]) -> None:
        """Do something to it, one thread at a time."""
        with self.lock:
            do(self)
