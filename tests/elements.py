"""Virtual elements whose security domain holds the sandbox's published masters, and what is said about them."""

from __future__ import annotations

from typing import Any

from ota.card.keys import Algorithm, KeyRole
from ota.hsm_adapter.software.published import sandbox_master
from ota.sandbox.element.card_os import Element
from ota.sandbox.element.factory import OUR_DOMAIN, key_version, make_element
from ota.sandbox.element.keys import KeySet
from ota.sandbox.element.options import Options
from ota.sandbox.element.tunion import TUnion

_ALGORITHMS = {0x20: Algorithm.TDES, 0x30: Algorithm.AES128, 0x31: Algorithm.AES192, 0x32: Algorithm.AES256}
_SD_ROLES = (KeyRole.SD_ENC, KeyRole.SD_MAC, KeyRole.SD_DEK)
TUNION = bytes.fromhex("A000000632010105")


def blank(scp: str = "03", i: int = 0x60, bits: int = 128, seed: str = "element", **options: Any) -> Element:
    """An element with nothing on it but its security domains; SCP03 with a random challenge unless told."""
    version = key_version(scp, bits)
    masters = KeySet(version, *(sandbox_master(role, _ALGORITHMS[version]) for role in _SD_ROLES))
    return make_element(masters, Options(scp=scp, i=i, seed=seed, **options))


def described(element: Element, **changes: Any) -> dict[str, Any]:
    """The field ``se`` of a session's opening."""
    ours = element.security_domains[1]
    return {
        "type": "eSE",
        "se_id": element.se_id,
        "sd_aid": OUR_DOMAIN.hex(),
        "scp": element.options.scp,
        "i": f"{element.options.i:02X}",
        "key_version": f"{ours.keys.version:02X}",
    } | changes


def collected(element: Element) -> list[dict[str, str]]:
    """What a wallet asks beforehand so that the challenge can be predicted: the counter and the derivation data."""
    select = f"00A40400{len(OUR_DOMAIN):02X}{OUR_DOMAIN.hex()}"
    asked = (select, "80CA00C100", "80CA00CF00")
    answers = [element.transmit(bytes.fromhex(apdu)) for apdu in asked]
    return [
        {"apdu": apdu, "sw": answer[-2:].hex(), "data": answer[:-2].hex()}
        for apdu, answer in zip(asked, answers, strict=True)
    ]


def instances(element: Element) -> list[bytes]:
    """The AIDs of everything that is installed besides the security domains."""
    names = [application.aid for application in element._registry.applications]
    return names[2:]


def tunion(element: Element) -> TUnion:
    """The T-Union application, with its purse."""
    return next(found for found in element._registry.applications if isinstance(found, TUnion))


def balance(element: Element) -> int:
    """What the purse holds, in fen."""
    return tunion(element).purse.state.balance


def counter(element: Element) -> int:
    """The online transaction counter."""
    return tunion(element).purse.state.online_counter
