"""Builds every object once; the only place that chooses implementations."""

from ota.wiring.database import open_store, try_data_folder
from ota.wiring.keys import (
    maximum_exposure,
    open_codes,
    open_hsm,
    open_key_store,
    purse_rules,
    sm4_mechanisms,
    token_place,
)
from ota.wiring.platform import Wiring, build
from ota.wiring.scraping import open_scraping
from ota.wiring.tables import metadata

__all__ = [
    "Wiring",
    "build",
    "maximum_exposure",
    "metadata",
    "open_codes",
    "open_hsm",
    "open_key_store",
    "open_scraping",
    "open_store",
    "purse_rules",
    "sm4_mechanisms",
    "token_place",
    "try_data_folder",
]
