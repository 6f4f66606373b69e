"""What GET DATA answers at a security domain (GP Card Spec 2.3.1 11.3 and appendix H)."""

from __future__ import annotations

from ota.sandbox.element.keys import DomainProfile, KeySet
from ota.sandbox.element.tlv import tlv

_GLOBALPLATFORM = bytes.fromhex("2A864886FC6B")  # object identifier 1.2.840.114283
_VERSION_2_3_1 = bytes.fromhex("02020301")
_OID = 0x06

KEY_TYPE_3DES = 0x80
KEY_TYPE_AES = 0x88


def production_data(diversification_data: bytes) -> bytes:
    """CPLC, tag 9F7F: fabrication date, chip serial number and batch are the tail of the diversification data."""
    chip = bytes.fromhex("47905A45474453440100")  # fabricator, type, operating system, its date and level
    life = bytes.fromhex("4791800047928000479380000000000000004794800000000000")[:24]
    return tlv(0x9F7F, (chip + diversification_data[2:10] + life).ljust(42, b"\x00"))


def recognition_data(scp: str, i: int) -> bytes:
    """Card data, tag 66: GlobalPlatform 2.3.1 and the secure channel protocol spoken (H.2)."""
    protocol = _GLOBALPLATFORM + b"\x04" + bytes.fromhex(scp) + bytes((i,))
    inner = (
        tlv(_OID, _GLOBALPLATFORM + b"\x01")
        + tlv(0x60, tlv(_OID, _GLOBALPLATFORM + _VERSION_2_3_1))
        + tlv(0x63, tlv(_OID, _GLOBALPLATFORM + b"\x03"))
        + tlv(0x64, tlv(_OID, protocol))
    )
    return tlv(0x66, tlv(0x73, inner))


def key_information(key_sets: list[KeySet], *, is_aes: bool) -> bytes:
    """Key information template, tag E0: identifier, version, type and length of every key (11.3.3.1)."""
    kind = KEY_TYPE_AES if is_aes else KEY_TYPE_3DES
    entries = (
        tlv(0xC0, bytes((number, keys.version, kind, len(key))))
        for keys in key_sets
        for number, key in enumerate(keys.triple, 1)
    )
    return tlv(0xE0, b"".join(entries))


def domain_fci(profile: DomainProfile, scp: str, i: int) -> bytes:
    """File control information of a security domain (11.9.3.1): name, card data, longest command data."""
    security = recognition_data(scp, i)[2:]
    return tlv(0x6F, tlv(0x84, profile.aid) + tlv(0xA5, security + tlv(0x9F65, b"\xff")))
