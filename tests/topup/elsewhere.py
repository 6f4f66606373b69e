"""Somebody else with the right keys loads the card, and the platform's books know nothing of it."""

from __future__ import annotations

from ota import wiring
from ota.card import purse
from ota.card.keys import KeyRole
from ota.card.purse import Load, LoadAnswer
from ota.core.values import CardNumber, CardTime, Fen
from ota.sandbox.element.card_os import Element
from tests.elements import TUNION
from tests.platform import Platform, cities_of


def load_elsewhere(platform: Platform, element: Element, card_no: str, amount: int = 300) -> None:
    """One more load in the purse, one more step of its counter."""
    card = CardNumber(card_no)
    city = cities_of(platform.settings.config).of_card(card)
    element.transmit(b"\x00\xa4\x04\x00" + bytes((len(TUNION),)) + TUNION)
    asked = purse.initialize_for_load(1, Fen(amount), bytes(6))
    answer = LoadAnswer.parse(element.transmit(asked.encode())[:-2])
    load = Load(Fen(amount), bytes(6), answer, CardTime.at(platform.clock.now()))
    key = city.card_key(card, KeyRole.LOAD, city.keys.default_algorithm, answer.key_version)
    mac2 = wiring.open_hsm(platform.settings).authorise_load(key, load)
    assert load.at is not None
    answered = element.transmit(purse.credit_for_load(load.at, mac2).encode())
    assert answered[-2:] == b"\x90\x00"
