"""What a city and its card product say about loading one card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from ota.card import reading
from ota.card.apdu import Command
from ota.card.product import Product, ProveMode, Purse
from ota.cities.loader import Cities
from ota.cities.profile import City, TerminalNumberMode
from ota.core.values import CardNumber


@dataclass(frozen=True, slots=True)
class LoadRules:
    """How to load one card: its city's limits and keys, its product's purse, and how to reach that purse."""

    city: City
    purse: Purse
    select: Command

    @property
    def prove(self) -> ProveMode:
        """Which counters GET TRANSACTION PROVE is asked by; the city's word goes before the product's."""
        return self.city.load.prove or self.purse.prove

    @property
    def is_replayable(self) -> bool:
        """Whether a card's owner could collect its answers beforehand: only the amount tells one question from another."""
        return self.city.load.terminal_number is TerminalNumberMode.FIXED


class RuleBook(Protocol):
    """Finds the rules of a card by its number."""

    def of_card(self, card: CardNumber) -> LoadRules:
        """The rules; raises CardOutsideProvince."""
        ...


class ConfiguredRules:
    """The rules as config/cities and config/cards say."""

    def __init__(self, cities: Cities, products: Mapping[str, Product]) -> None:
        self._cities = cities
        self._products = products

    def of_card(self, card: CardNumber) -> LoadRules:
        """The rules of the card's city and of the product that the city issues; raises CardOutsideProvince."""
        city = self._cities.of_card(card)
        purse = self._products[city.product].purse
        # The beginning of the AID is enough: it selects the one instance that this card has, whoever issued it.
        return LoadRules(city, purse, reading.select_name(purse.select.render({})))
