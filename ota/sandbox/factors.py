"""The factor path of a card: what its keys are derived from, as its city's file says."""

from __future__ import annotations

import os
from pathlib import Path

from ota import settings
from ota.card.keys import Algorithm, KeyRole
from ota.cities.loader import load_cities
from ota.core.values import CardNumber


def factors_of(card_no: str, config: Path | None = None) -> tuple[bytes, ...]:
    """Factors of 8 bytes, outermost first, of the card with these 19 digits.

    Raises InvalidValue for other digits, CardOutsideProvince, SettingsError without a configuration folder.
    """
    number = CardNumber(card_no)
    folder = settings.find_config(config, os.environ)
    city = load_cities(folder / "cities").of_card(number)
    return city.card_key(number, KeyRole.LOAD, Algorithm.TDES).path
