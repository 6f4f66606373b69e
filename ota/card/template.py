"""Bytes with named gaps: what a product file writes for AIDs, parameters and files of a card."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Self

from ota.core.errors import InvalidValue

WIDTHS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "issuer_id": 8,  # 02205810FFFFFFFF
        "issuer_code": 4,  # 02205810
        "province": 2,  # clearing code: 5800
        "city": 2,  # clearing code: 5810
        "card_serial": 10,  # a zero digit and the 19 digits of the card number
        "card_factor": 8,  # the last 16 digits
        "lnt_number": 8,  # 510000 and the ten digits that readers show
        "area": 1,  # Lingnantong's area of the city
        "issue_date": 4,  # YYYYMMDD
        "issue_month": 2,  # YYMM
        "expiry_date": 4,  # YYYYMMDD
        "purse_ceiling": 4,  # fen
        "tdes_key_version": 1,
        "sm4_key_version": 1,
    }
)
"""The gaps there are, and how many bytes fill each of them."""

_MAX_LENGTH: Final = 0xFFFF
_TOKEN = re.compile(
    r"\{(?P<name>[a-z0-9_]+)\}|(?P<hex>(?:[0-9A-Fa-f]{2})+)(?:\*(?P<times>[0-9]{1,4}))?", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Template:
    """Literal bytes and named gaps in turn. Its length is known before any card is."""

    parts: tuple[bytes | str, ...]

    @property
    def length(self) -> int:
        """Bytes that it renders to."""
        return sum(WIDTHS[part] if isinstance(part, str) else len(part) for part in self.parts)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read tokens separated by spaces or adjoining: hex digits, hex digits times a number, a name in braces.

        Raises InvalidValue for anything else and for an unknown name.

        >>> Template.parse("FF*8 {issuer_code} 0000").length
        14
        """
        parts: list[bytes | str] = []
        for word in text.split():
            position = 0
            while position < len(word):
                token = _TOKEN.match(word, position)
                if token is None:
                    raise InvalidValue(
                        "template", "hex bytes such as 00 or FF*8 and placeholders such as {city}"
                    )
                parts.append(_part(token))
                position = token.end()
        template = cls(tuple(parts))
        if template.length > _MAX_LENGTH:
            raise InvalidValue("template", f"at most {_MAX_LENGTH} bytes")
        return template

    def render(self, values: Mapping[str, bytes]) -> bytes:
        """Fill the gaps; raises InvalidValue when a value has not its gap's width."""
        return b"".join(
            part if isinstance(part, bytes) else _fitting(part, values[part]) for part in self.parts
        )


def _part(token: re.Match[str]) -> bytes | str:
    name = token["name"]
    if name is None:
        return bytes.fromhex(token["hex"]) * int(token["times"] or 1)
    if name not in WIDTHS:
        raise InvalidValue("template", "placeholders out of " + ", ".join(f"{{{known}}}" for known in WIDTHS))
    return name


def _fitting(name: str, value: bytes) -> bytes:
    if len(value) != WIDTHS[name]:
        raise InvalidValue(name, f"{WIDTHS[name]} bytes")
    return value
