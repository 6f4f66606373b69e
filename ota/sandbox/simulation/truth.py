"""What really happened, whatever the platform believes: payments that were made, cards, and what was sent to whom."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

from ota.sandbox.simulation.cards import Card
from ota.sandbox.simulation.practice import Practice


class Violated(BaseException):
    """A promise about money was broken. No handler of the product may swallow it."""

    def __init__(self, promise: str, what: str) -> None:
        self.promise = promise
        super().__init__(f"{promise}: {what}")


@dataclass
class Trade:
    """Money that a customer really paid to a wallet or at a terminal.

    ``answer`` is what the platform finally said about its notice: "taken", "refused", or None as long as nobody knows;
    ``refusal`` is the code that it refused with. ``returned_fen`` is what the customer got back.
    """

    number: str
    payer: str
    amount_fen: int
    answer: str | None = None
    refusal: str = ""
    returned_fen: int = 0


@dataclass
class Truth:
    """Everything that is known outside of the platform."""

    cards: list[Card] = field(default_factory=list)
    trades: dict[str, Trade] = field(default_factory=dict)
    known_version: int = 1
    """The newest version of card keys that the platform knows."""
    issued_version: int = 1
    """The version of card keys that every process gives to new cards."""
    answers: dict[tuple[str, int, str], bytes] = field(default_factory=dict)
    """The answer that each report got, by session, number and digest of the report."""
    practice: Practice = Practice.USUAL
    """How two of the cities let their cards be loaded."""
    restores: int = 0
    """How often the platform's database went back to an earlier moment. What it forgot then:"""
    forgotten_orders: set[str] = field(default_factory=set)
    forgotten_trades: set[str] = field(default_factory=set)
    forgotten_questions: set[str] = field(default_factory=set)
    """Loads that a city's host was asked for."""
    forgotten_loads: dict[tuple[str, int, str, str, str], str] = field(default_factory=dict)
    """MAC2s that left, as card and platform know a load, with the trades that paid for them."""
    mac2s: dict[tuple[bytes, bytes, int], bytes] = field(default_factory=dict)
    """The one MAC2 that left for an answer of a card, by MAC1, random and counter in that answer."""
    deceived: set[str] = field(default_factory=set)
    """Cards of which an answer of long ago was taken for one of now."""
    confirmed: set[str] = field(default_factory=set)
    """Orders whose money two people saw on a card."""
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    @property
    def leaves_open(self) -> bool:
        """Whether cards alone cannot settle everything, so that two people look at what is left."""
        return bool(self.restores) or self.practice is not Practice.USUAL

    def pay(self, payer: str, amount_fen: int) -> Trade:
        """A customer pays."""
        trade = Trade(f"trade-{next(self._numbers)}", payer, amount_fen)
        self.trades[trade.number] = trade
        return trade
