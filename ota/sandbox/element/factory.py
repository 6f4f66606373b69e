"""The card factory: makes an element with diversified keys in our domain and the public test keys in the issuer's."""

from __future__ import annotations

import hashlib
import secrets

from ota.sandbox.element.card_os import Element
from ota.sandbox.element.keys import DomainProfile, KeySet, kdf3, visa2
from ota.sandbox.element.options import Options

ISSUER_DOMAIN = bytes.fromhex("A000000151000000")
OUR_DOMAIN = bytes.fromhex("D156000158534400")
KEY_LENGTH_BY_VERSION = {0x20: 16, 0x30: 16, 0x31: 24, 0x32: 32}
"""Bytes of a key; version 20 is 3DES for SCP02, the others AES for SCP03."""


def key_version(scp: str, aes_bits: int = 128) -> int:
    """The key version that stands for a protocol and a key length."""
    return 0x20 if scp == "02" else {128: 0x30, 192: 0x31, 256: 0x32}[aes_bits]


def public_test_keys(version: int) -> KeySet:
    """GlobalPlatform's public test keys, the bytes 40, 41, 42 and so on, three times the same."""
    key = bytes(range(0x40, 0x40 + KEY_LENGTH_BY_VERSION[version]))
    return KeySet(version, key, key, key)


def diversify(masters: KeySet, diversification_data: bytes) -> KeySet:
    """The keys of one card: VISA2 for 3DES, KDF3 for AES."""
    scheme = visa2 if masters.version == 0x20 else kdf3
    return scheme(masters, diversification_data)


def make_element(masters: KeySet, options: Options | None = None) -> Element:
    """Make an element whose number comes from the options' seed, or from chance without one.

    `masters` are the masters of our security domain in the key version to use; a version that does not fit the
    protocol is a ValueError.
    """
    options = options or Options()
    if (masters.version == 0x20) != (options.scp == "02") or masters.version not in KEY_LENGTH_BY_VERSION:
        raise ValueError(f"key version {masters.version:02X} does not fit SCP{options.scp}")
    data = _diversification_data(options.seed)
    issuer = DomainProfile(ISSUER_DOMAIN, data, public_test_keys(masters.version))
    return Element(issuer, DomainProfile(OUR_DOMAIN, data, diversify(masters, data)), options)


def _diversification_data(seed: str | None) -> bytes:
    """Ten bytes: two zeros, then fabrication date, serial number and batch of the chip (all in its CPLC too)."""
    unique = hashlib.sha256(seed.encode()).digest() if seed is not None else secrets.token_bytes(32)
    return bytes.fromhex("00006182") + unique[:4] + unique[4:6]
