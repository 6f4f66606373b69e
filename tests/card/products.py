"""The shipped card product, a Guangzhou card of it, and a way to try a changed product file."""

from datetime import date
from pathlib import Path
from typing import Final

from ota.card.keys import Algorithm
from ota.card.perso import CardValues
from ota.card.product import Product
from ota.card.product_file import load_product
from ota.core.values import CardNumber, CityCode

CARDS: Final = Path(__file__).parents[2] / "config" / "cards"
COMPATIBLE: Final = CARDS / "gd-compatible.toml"

GUANGZHOU: Final = CardValues(
    card_no=CardNumber("3104870312345678906"),
    issuer_id=bytes.fromhex("02205810FFFFFFFF"),
    issuer_code="02205810",
    province="5800",
    city=CityCode("5810"),
    lnt_number=bytes.fromhex("5100001234567890"),
    area=1,
    issued=date(2026, 1, 2),
    expires=date(2041, 1, 2),
    load_key_versions={Algorithm.TDES: 3},
)


def changed(folder: Path, *changes: tuple[str, str]) -> Product:
    """The shipped product with texts replaced, read as a file of its own; each text must occur."""
    text = COMPATIBLE.read_text(encoding="utf-8")
    for old, new in changes:
        if old not in text:
            raise AssertionError(f"the product file does not hold {old!r}")
        text = text.replace(old, new, 1)
    file = folder / "changed.toml"
    file.write_text(text, encoding="utf-8")
    return load_product(file)
