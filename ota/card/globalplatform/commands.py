"""GlobalPlatform commands as bytes, before any secure channel wraps them (GP Card Specification 2.3.1, chapter 11)."""

from __future__ import annotations

from typing import Final

from ota.card.apdu import MAX_DATA, Command
from ota.core.errors import InvalidValue

GP_CLASS: Final = 0x80

LAST_BLOCK: Final = 0x80
DGI_FORMAT: Final = 0x08
ENCIPHERED: Final = 0x60
"""Bits of STORE DATA's P1 (11.11.2.1): last block; DGI format of the data; sensitive values enciphered."""

SEQUENCE_COUNTER: Final = 0x00C1
CARD_RECOGNITION_DATA: Final = 0x0066
KEY_INFORMATION_TEMPLATE: Final = 0x00E0
CPLC: Final = 0x9F7F
"""Tags for GET DATA (11.3.2)."""

ISSUER_SECURITY_DOMAIN: Final = 0x80
APPLICATIONS: Final = 0x40
LOAD_FILES: Final = 0x20
"""Subsets for GET STATUS's P1 (11.4.2.1)."""


def select(aid: bytes) -> Command:
    """SELECT an application or security domain by its whole or partial AID (11.9)."""
    return Command(0x00, 0xA4, 0x04, 0x00, _aid(aid), 0x00)


def initialize_update(key_version: int, host_challenge: bytes) -> Command:
    """INITIALIZE UPDATE: key version (0 lets the card choose), 8-byte host challenge (E.5.1; Amendment D 7.1.1)."""
    if len(host_challenge) != 8:
        raise InvalidValue("host_challenge", "8 bytes")
    return Command(GP_CLASS, 0x50, key_version, 0x00, host_challenge, 0x00)


def install_for_install(
    load_file: bytes, module: bytes, instance: bytes, *, privileges: bytes = b"\x00", parameters: bytes
) -> Command:
    """INSTALL [for install and make selectable], without token (11.5.2.3.2).

    ``parameters`` are whole TLVs, at least the mandatory C9.
    """
    fields = (_aid(load_file), _aid(module), _aid(instance), privileges, parameters, b"")
    return _install(0x0C, fields)


def install_for_personalization(instance: bytes) -> Command:
    """INSTALL [for personalization]: the STORE DATA that follow go to this application (11.5.2.3.6)."""
    return _install(0x20, (b"", b"", _aid(instance), b"", b"", b""))


def delete(aid: bytes, *, with_related: bool = False) -> Command:
    """DELETE an application, or a load file with everything made from it (11.2)."""
    return Command(GP_CLASS, 0xE4, 0x00, 0x80 if with_related else 0x00, b"\x4f" + _counted(_aid(aid)), 0x00)


def store_data(block: int, data: bytes, *, last: bool, enciphered: bool) -> Command:
    """STORE DATA in DGI format: block number, one block of DGIs, whether it is the last, whether enciphered (11.11)."""
    p1 = DGI_FORMAT | (LAST_BLOCK if last else 0) | (ENCIPHERED if enciphered else 0)
    return Command(GP_CLASS, 0xE2, p1, block, data)


def put_key(old_version: int, new_version: int, key_blocks: bytes, *, first_id: int = 1) -> Command:
    """PUT KEY for several keys (11.8): version to replace (0 adds), new version, key blocks as `key_block` makes."""
    return Command(GP_CLASS, 0xD8, old_version, 0x80 | first_id, bytes((new_version,)) + key_blocks, 0x00)


def key_block(key_type: int, cipher: bytes, kcv: bytes, *, clear_length: int | None = None) -> bytes:
    """One key of PUT KEY: type (80 DES, 88 AES), enciphered value, check value (11.8.2.3.1).

    AES puts the clear length before the cipher (Amendment D 1.1.2, 7.2); DES leaves it out.
    """
    value = cipher if clear_length is None else bytes((clear_length,)) + cipher
    return bytes((key_type,)) + _counted(value) + _counted(kcv)


def get_status(subset: int, aid: bytes = b"", *, following: bool = False) -> Command:
    """GET STATUS of a subset, in TLV form; ``following`` asks for what did not fit the answer before (11.4)."""
    return Command(GP_CLASS, 0xF2, subset, 0x03 if following else 0x02, b"\x4f" + _counted(aid), 0x00)


def get_data(tag: int) -> Command:
    """GET DATA of a one- or two-byte tag (11.3)."""
    if not 0 < tag <= 0xFFFF:
        raise InvalidValue("tag", "1 or 2 bytes")
    return Command(GP_CLASS, 0xCA, tag >> 8, tag & 0xFF, le=0x00)


def _install(p1: int, fields: tuple[bytes, ...]) -> Command:
    data = b"".join(_counted(field) for field in fields)
    if len(data) > MAX_DATA:
        raise InvalidValue("install", f"at most {MAX_DATA} bytes of AIDs and parameters")
    return Command(GP_CLASS, 0xE6, p1, 0x00, data, 0x00)


def _counted(value: bytes) -> bytes:
    return bytes((len(value),)) + value


def _aid(aid: bytes) -> bytes:
    if not 5 <= len(aid) <= 16:
        raise InvalidValue("aid", "5 to 16 bytes")
    return aid
