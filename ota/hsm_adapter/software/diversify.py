"""From a master key to a card's: the e-purse's levels (CARD.md 2.2) and the schemes of security domains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ota.card.keys import Algorithm, KeyRole
from ota.hsm_adapter.keys import Diversification, Path
from ota.hsm_adapter.software.ciphers import Key, block_cipher, derive_by_cmac, derive_into, wipe

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers import CipherContext

_ONES: Final = (1 << 64) - 1
CARD_KEY_LENGTH: Final = 16
_SECOND_HALF: Final = bytes(8) + b"\xff" * 8
_KEY_NUMBER: Final = {KeyRole.SD_ENC: 1, KeyRole.SD_MAC: 2, KeyRole.SD_DEK: 3}


def complemented(factor: bytes) -> bytes:
    """F followed by NOT F, for F of 8 bytes."""
    value = int.from_bytes(factor, "big")
    return ((value << 64) | (value ^ _ONES)).to_bytes(16, "big")


def child_key(parent: CipherContext, factor: bytes) -> bytearray:
    """One level down: the parent's cipher over F and NOT F, two 3DES blocks or one of SM4; 16 bytes."""
    return derive_into(parent, complemented(factor))


def child_keys(parent: CipherContext, factors: Sequence[bytes]) -> bytearray:
    """The same for many factors in one call of the cipher; 16 bytes each, in their order."""
    twice = b"".join([factor + factor for factor in factors])
    mask = _SECOND_HALF * len(factors)
    data = (int.from_bytes(twice, "big") ^ int.from_bytes(mask, "big")).to_bytes(len(twice), "big")
    return derive_into(parent, data)


def card_key(algorithm: Algorithm, master: Key, path: Path) -> bytearray:
    """All levels down, outermost factor first. The levels between are wiped."""
    key = bytearray(master)
    for factor in path:
        deeper = child_key(block_cipher(algorithm, key), factor)
        wipe(key)
        key = deeper
    return key


@dataclass(slots=True, repr=False)
class StaticKeys:
    """A card's three security domain keys while they are in use; `wipe` ends that."""

    enc: bytearray
    mac: bytearray
    dek: bytearray

    def wipe(self) -> None:
        """Overwrite all three."""
        wipe(self.enc, self.mac, self.dek)


def static_keys(
    scheme: Diversification, masters: Mapping[KeyRole, bytearray], diversification_data: bytes
) -> StaticKeys:
    """A card's keys from the masters of its roles and the 10 bytes of INITIALIZE UPDATE."""
    derive = _SCHEMES[scheme]
    return StaticKeys(
        *(derive(masters[role], diversification_data, number) for role, number in _KEY_NUMBER.items())
    )


def _none(master: bytearray, _data: bytes, _number: int) -> bytearray:
    return bytearray(master)


def _visa2(master: bytearray, data: bytes, number: int) -> bytearray:
    """VISA2: bytes 0-1 and 4-7 of the data stand for the card."""
    return _by_halves(master, data[0:2] + data[4:8], number)


def _emv_cps(master: bytearray, data: bytes, number: int) -> bytearray:
    """EMV CPS 1.1: the 6 rightmost bytes of the data stand for the card."""
    return _by_halves(master, data[4:10], number)


def _by_halves(master: bytearray, card: bytes, number: int) -> bytearray:
    halves = card + bytes((0xF0, number)) + card + bytes((0x0F, number))
    return derive_into(block_cipher(Algorithm.TDES, master), halves)


def _kdf3(master: bytearray, data: bytes, number: int) -> bytearray:
    """KDF3: counter, the key's number in 4 bytes, separator 00, the data as context (NIST SP 800-108)."""
    return derive_by_cmac(master, number.to_bytes(4, "big") + b"\x00" + data, len(master), counter_at=0)


_SCHEMES: Final = {
    Diversification.NONE: _none,
    Diversification.VISA2: _visa2,
    Diversification.EMV_CPS: _emv_cps,
    Diversification.KDF3: _kdf3,
}
