"""Keys that nobody published, put where an installation keeps its own, so that one can look where they turn up."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ota.card.keys import Algorithm, KeyRole
from ota.cities.loader import load_cities
from ota.core.values import CardNumber
from ota.hsm_adapter.keys import CARD_ALGORITHMS, CARD_ROLES, KeyRef
from ota.hsm_adapter.software import KeyStore
from ota.hsm_adapter.test_keys import CARD_KEY_VERSION, PROVINCE
from tests.guards.source import ROOT
from tests.hsm_adapter import reference

Secrets = Mapping[str, bytes]
"""What must not be found, under a name that may be printed."""

_HALF = 8
_LONG = 12


@dataclass(frozen=True, slots=True)
class Canaries:
    """A master of its own for every role and algorithm of a card."""

    masters: Mapping[KeyRef, bytes] = field(repr=False)

    @classmethod
    def put_into(cls, data: Path) -> Canaries:
        """Fill an empty installation; what it still lacks it provisions itself."""
        masters = {
            KeyRef(role, PROVINCE, CARD_KEY_VERSION, algorithm): secrets.token_bytes(16)
            for role in sorted(CARD_ROLES)
            for algorithm in sorted(CARD_ALGORITHMS)
        }
        KeyStore(data, environment="development").add(masters, test=False)
        return cls(masters)

    def keys(self, cards: Iterable[str]) -> dict[str, bytes]:
        """Masters, the keys of the cards' cities, and the cards' own keys."""
        found = {f"master {ref}": key for ref, key in self.masters.items()}
        cities = load_cities(ROOT / "config" / "cities")
        for digits in cards:
            card = CardNumber(digits)
            path = cities.of_card(card).key_path(card)
            for ref, master in self.masters.items():
                for depth in range(1, len(path) + 1):
                    level = "card" if depth == len(path) else f"city level {depth}"
                    owner = digits if depth == len(path) else path[0].hex()
                    key = reference.diversified(ref.algorithm, master, path[:depth])
                    found[f"{level} {owner} {ref.role} {ref.algorithm}"] = key
        return found


def session_keys(keys: Mapping[str, bytes], card: str, random: bytes, counter: bytes) -> dict[str, bytes]:
    """The keys of one load, of both algorithms."""
    return {
        f"session key {random.hex()} {algorithm}": reference.session_key(
            algorithm, keys[f"card {card} {KeyRole.LOAD} {algorithm}"], random, counter
        )
        for algorithm in (Algorithm.TDES, Algorithm.SM4)
    }


def halves(found: Secrets) -> Iterator[tuple[str, bytes]]:
    """Every 8 bytes of a key: an allocator that reuses a freed place writes over its beginning only."""
    for name, key in found.items():
        for at in range(0, len(key), _HALF):
            yield f"{name} [{at}:{at + _HALF}]", key[at : at + _HALF]


def spellings(value: bytes) -> Iterator[str]:
    """How bytes may be written into text, by hand or by a repr. Keys are also looked for in halves."""
    digits = value.hex()
    yield digits
    yield " ".join(digits[at : at + 2] for at in range(0, len(digits), 2))
    yield ":".join(digits[at : at + 2] for at in range(0, len(digits), 2))
    yield ", ".join(str(byte) for byte in value)
    yield str(int.from_bytes(value, "big"))
    if len(value) >= _LONG:
        # the last characters depend on what follows, so they are left off
        for encoded in (base64.b64encode(value), base64.urlsafe_b64encode(value), base64.b32encode(value)):
            yield encoded.decode().rstrip("=")[:-1].lower()
    yield repr(value)[2:-1].lower()
    yield value.decode("latin-1").lower()


def leaks(text: str, keys: Secrets, words: Mapping[str, str]) -> list[str]:
    """Names of the keys, in whole or by halves, and of the words that stand in a text in any spelling."""
    low = text.lower()
    in_parts = {**dict(halves(keys)), **keys}
    found = [name for name, value in in_parts.items() if any(written in low for written in spellings(value))]
    return found + [name for name, word in words.items() if word.lower() in low]
