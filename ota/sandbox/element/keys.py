"""The keys of a security domain and how a card maker derives them from masters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ota.sandbox.element import crypto

_Derive = Callable[[bytes, int], bytes]


@dataclass(frozen=True, slots=True)
class KeySet:
    """The three keys of one key version: 16 bytes of 3DES for SCP02; 16, 24 or 32 bytes of AES for SCP03."""

    version: int
    enc: bytes = field(repr=False)
    mac: bytes = field(repr=False)
    dek: bytes = field(repr=False)

    @property
    def triple(self) -> tuple[bytes, bytes, bytes]:
        """ENC, MAC and DEK, key identifiers 1, 2 and 3."""
        return self.enc, self.mac, self.dek


@dataclass(frozen=True, slots=True)
class DomainProfile:
    """A security domain as the card maker hands it over: AID, 10 bytes of key diversification data, key set."""

    aid: bytes
    diversification_data: bytes
    keys: KeySet


def visa2(masters: KeySet, diversification_data: bytes) -> KeySet:
    """Diversify 3DES keys by AID tail and chip serial number, the scheme known as VISA2."""
    short = diversification_data[:2] + diversification_data[4:8]

    def derive(master: bytes, number: int) -> bytes:
        return crypto.encrypt(
            crypto.des(master), short + bytes((0xF0, number)) + short + bytes((0x0F, number))
        )

    return _each(masters, derive)


def kdf3(masters: KeySet, diversification_data: bytes) -> KeySet:
    """Diversify AES keys by CMAC in counter mode over key number and diversification data (NIST SP 800-108)."""

    def derive(master: bytes, number: int) -> bytes:
        label = number.to_bytes(4, "big") + b"\x00" + diversification_data
        blocks = (crypto.cmac(master, bytes((counter,)) + label) for counter in (1, 2))
        return b"".join(blocks)[: len(master)]

    return _each(masters, derive)


def key_check_value(key: bytes, *, is_aes: bool) -> bytes:
    """Three bytes of the cipher over a block of 01 for AES, of 00 for 3DES (GP Card Spec 2.3.1 B.5, B.6)."""
    block = b"\x01" * crypto.WIDE_BLOCK if is_aes else bytes(crypto.DES_BLOCK)
    return crypto.encrypt(crypto.aes(key) if is_aes else crypto.des(key), block)[:3]


def _each(masters: KeySet, derive: _Derive) -> KeySet:
    enc, mac, dek = (derive(master, number) for number, master in enumerate(masters.triple, 1))
    return KeySet(masters.version, enc, mac, dek)
