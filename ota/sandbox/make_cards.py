"""Virtual elements as the sandbox's card factory makes them: our security domain keyed from the published masters."""

from __future__ import annotations

from ota.sandbox.element import Element, KeySet, Options
from ota.sandbox.element.factory import key_version, make_element
from ota.sandbox.test_masters import published_master

DEFAULT_I = {"02": 0x55, "03": 0x70}
"""The option byte of an element whose challenge can be predicted."""


def blank_element(options: Options, aes_bits: int = 128) -> Element:
    """An element with nothing on it; a platform with the sandbox's keys can open it."""
    algorithm = "3DES" if options.scp == "02" else f"AES-{aes_bits}"
    enc, mac, dek = (published_master(role, algorithm) for role in ("sd_enc", "sd_mac", "sd_dek"))
    return make_element(KeySet(key_version(options.scp, aes_bits), enc, mac, dek), options)
