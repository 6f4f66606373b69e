"""How two of the cities let their purses be loaded: as all do, with a terminal number of their own, or by others, too."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from random import Random
from typing import Final

from ota.cities.loader import Cities
from ota.cities.profile import City, TerminalNumberMode
from ota.core.values import TerminalNumber

CITIES: Final = frozenset({"guangzhou", "shaoguan"})
"""Cities whose keys the province has: a city with a host of its own has practices of its own."""

FIXED_NUMBER: Final = TerminalNumber("440100000001")
_WEIGHTS: Final = (8, 1, 1, 1, 1)


class Practice(StrEnum):
    """What is particular about loading a card of these cities."""

    USUAL = "usual"
    """The question stands in the terminal number, and only the platform loads."""
    FIXED_NUMBER = "fixed_number"
    """The issuer fixes the terminal number: only the amount tells one question from another."""
    OTHERS_LOAD = "others_load"
    """Others load the same purses, and the platform knows it."""
    FIXED_NUMBER_OTHERS_LOAD = "fixed_number_others_load"
    STRANGERS_LOAD = "strangers_load"
    """Somebody loads the same purses, and nobody has told the platform: it must notice."""

    @classmethod
    def drawn(cls, seed: int) -> Practice:
        """The practice of a seed: most have the usual one."""
        return Random(f"{seed} practice").choices(tuple(cls), weights=_WEIGHTS)[0]

    @property
    def is_fixed(self) -> bool:
        """Whether answers can be collected beforehand."""
        return self in (Practice.FIXED_NUMBER, Practice.FIXED_NUMBER_OTHERS_LOAD)

    @property
    def is_shared(self) -> bool:
        """Whether the platform knows of other loaders."""
        return self in (Practice.OTHERS_LOAD, Practice.FIXED_NUMBER_OTHERS_LOAD)

    @property
    def has_others(self) -> bool:
        """Whether anybody else loads."""
        return self.is_shared or self is Practice.STRANGERS_LOAD


def with_practice(cities: Cities, practice: Practice) -> Cities:
    """The cities' files with the practice written in."""
    return Cities(_practising(city, practice) if city.name in CITIES else city for city in cities)


def _practising(city: City, practice: Practice) -> City:
    load = replace(city.load, foreign_loads=practice.is_shared)
    if practice.is_fixed:
        load = replace(load, terminal_number=TerminalNumberMode.FIXED, fixed_number=FIXED_NUMBER)
    return replace(city, load=load)
