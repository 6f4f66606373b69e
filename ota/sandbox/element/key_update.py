"""WRITE KEY: replace a key of the purse in the field, wrapped under another key of the card (CARD.md 1.7, 2.6)."""

from __future__ import annotations

from ota.sandbox.element import purse_crypto
from ota.sandbox.element.apdu import Command
from ota.sandbox.element.keyring import KEY_LENGTH, Keyring, Role
from ota.sandbox.element.purse_crypto import Algorithm
from ota.sandbox.element.secure_messaging import SecureMessaging
from ota.sandbox.element.status import REFERENCE_NOT_FOUND, WRONG_DATA, WRONG_LENGTH, needed, require

_ROLES = {
    (0x39, 0x00): Role.APP_CONTROL,
    (0x50, 0x00): Role.APP_MAINTENANCE,
    (0x36, 0x00): Role.PURSE_RECORD,
    (0x36, 0x01): Role.ECASH_RECORD,
    (0x04, 0x00): Role.PIN,
    (0x05, 0x00): Role.PIN,
    (0x06, 0x01): Role.PURCHASE,
    (0x07, 0x01): Role.LOAD,
    (0x07, 0x02): Role.LOAD_2,
    (0x08, 0x00): Role.TAC,
    (0x33, 0x00): Role.APP_BLOCK,
    (0x34, 0x00): Role.APP_UNBLOCK,
}
"""Role by key type (P1) and index (P2)."""

_HEADER = 4
_INNER_LENGTH = _HEADER + KEY_LENGTH
_ALGORITHMS = {24: Algorithm.TDES, 32: Algorithm.SM4}
"""By the length of the enciphered part."""


def write_key(command: Command, keys: Keyring, messaging: SecureMessaging) -> bytes:
    """Take a key under the application control key, that key itself under the card control key."""
    role = needed(_ROLES.get((command.p1, command.p2)), REFERENCE_NOT_FOUND)
    algorithm = needed(_ALGORITHMS.get(len(command.data) - 4), WRONG_LENGTH)
    wrapping = Role.CARD_CONTROL if role is Role.APP_CONTROL else Role.APP_CONTROL
    wrapping_key = keys.by_role(wrapping, algorithm)
    cipher = messaging.unprotected_by(command, keys, wrapping_key, wrapping)
    version, key = read_wrapped_key(algorithm, wrapping_key.value, cipher)
    keys.write(role, algorithm, key, version)
    return b""


def read_wrapped_key(algorithm: Algorithm, wrapping_key: bytes, cipher: bytes) -> tuple[int, bytes]:
    """Version and value: length 14, header of four bytes, key, padding. SM4 puts its index before the version."""
    plain = purse_crypto.decipher(algorithm, wrapping_key, cipher)
    require(plain[0] == _INNER_LENGTH and plain[1 + _INNER_LENGTH] == 0x80, WRONG_DATA)
    version = plain[1] if algorithm is Algorithm.TDES else plain[2]
    return version, plain[1 + _HEADER : 1 + _INNER_LENGTH]
