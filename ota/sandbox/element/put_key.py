"""PUT KEY: a security domain takes three new keys (GP Card Spec 2.3.1 11.8; Amendment D 1.1.2 7.2)."""

from __future__ import annotations

from ota.sandbox.element.apdu import Command
from ota.sandbox.element.application import Decipher
from ota.sandbox.element.card_data import KEY_TYPE_3DES, KEY_TYPE_AES
from ota.sandbox.element.crypto import same
from ota.sandbox.element.keys import KeySet, key_check_value
from ota.sandbox.element.status import WRONG_DATA, WRONG_KEY_CHECK_VALUE, WRONG_P1P2, require

_MULTIPLE_FROM_KEY_1 = 0x81
_LENGTHS = {KEY_TYPE_3DES: (16,), KEY_TYPE_AES: (16, 24, 32)}


def read_keys(command: Command, decipher: Decipher, *, is_aes: bool) -> tuple[KeySet, bytes]:
    """Read version and keys; give them and the answer: the version and the three check values.

    A wrong check value is refused with 9485, keys of another kind than the channel's with 6A80.
    """
    require(command.p2 == _MULTIPLE_FROM_KEY_1, WRONG_P1P2)
    require(command.data, WRONG_DATA)
    version, rest = command.data[0], command.data[1:]
    require(0 < version < 0x80, WRONG_DATA)
    keys, answer = [], bytes((version,))
    for _ in range(3):
        key, rest = _take_key(rest, decipher, is_aes=is_aes)
        keys.append(key)
        answer += key_check_value(key, is_aes=is_aes)
    require(not rest and len({len(key) for key in keys}) == 1, WRONG_DATA)
    return KeySet(version, *keys), answer


def _take_key(data: bytes, decipher: Decipher, *, is_aes: bool) -> tuple[bytes, bytes]:
    """Type, length, enciphered key, length, check value; an AES key's own length stands before it (7.2.2)."""
    kind = KEY_TYPE_AES if is_aes else KEY_TYPE_3DES
    require(len(data) > 2 and data[0] == kind and len(data) > 2 + data[1], WRONG_DATA)
    block, rest = data[2 : 2 + data[1]], data[2 + data[1] :]
    require(rest[0] == 3 and len(rest) >= 4, WRONG_DATA)
    length = block[0] if is_aes and block else 16
    enciphered = block[1:] if is_aes else block
    require(length in _LENGTHS[kind] and len(enciphered) == -(-length // 16) * 16, WRONG_DATA)
    key = decipher(enciphered)[:length]
    require(same(key_check_value(key, is_aes=is_aes), rest[1:4]), WRONG_KEY_CHECK_VALUE)
    return key, rest[4:]
