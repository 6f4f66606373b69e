"""What a key may do on the token, as attributes ready to be sent: one use each, and only the mechanisms of that use."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from enum import Enum
from functools import cache
from types import MappingProxyType
from typing import Any, Final

from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass
from pkcs11.attributes import AttributeMapper
from pkcs11.constants import DEFAULT

from ota.hsm_adapter.pkcs11.ciphers import TokenCipher

Template = Mapping[Attribute, Any]

CAPABILITIES: Final = {
    Attribute.ENCRYPT: MechanismFlag.ENCRYPT,
    Attribute.DECRYPT: MechanismFlag.DECRYPT,
    Attribute.SIGN: MechanismFlag.SIGN,
    Attribute.VERIFY: MechanismFlag.VERIFY,
    Attribute.WRAP: MechanismFlag.WRAP,
    Attribute.UNWRAP: MechanismFlag.UNWRAP,
    Attribute.DERIVE: MechanismFlag.DERIVE,
}

_YES: Final = b"\x01"
_NO: Final = b"\x00"


class Use(Enum):
    """The one thing that a key is for."""

    DERIVE = MechanismFlag.DERIVE
    """Masters, cities, cards: other keys and public blocks come out of it."""
    ENCIPHER = MechanismFlag.ENCRYPT
    BOTH_WAYS = MechanismFlag.ENCRYPT | MechanismFlag.DECRYPT
    """Session keys of SCP03, which decipher answers as well."""
    MAC = MechanismFlag.SIGN
    WRAP = MechanismFlag.WRAP
    """Key-encryption keys: they wrap and never decrypt."""
    NOTHING = MechanismFlag(0)
    """A card key's raw bytes on their way out under a wrapping key."""


def allowed_mechanisms(cipher: TokenCipher, use: Use) -> tuple[Mechanism, ...]:
    """What a key of this use may be called with."""
    return {
        Use.DERIVE: _derivations(cipher),
        Use.ENCIPHER: (cipher.cbc,),
        Use.BOTH_WAYS: (cipher.cbc,),
        Use.MAC: (Mechanism.AES_CMAC,),
        Use.WRAP: (cipher.cbc,),
        Use.NOTHING: (),
    }[use]


def _derivations(cipher: TokenCipher) -> tuple[Mechanism, ...]:
    if cipher.key_type is KeyType.DES2:
        return cipher.ecb_data, Mechanism.DES3_CBC_ENCRYPT_DATA  # CBC makes SCP02's session keys
    return (cipher.ecb_data,)


@cache
def session_key(cipher: TokenCipher, use: Use, length: int) -> Template:
    """A key that lives as long as the work it is derived for."""
    return MappingProxyType(
        {
            **_secret(cipher.key_type, use),
            **_only(allowed_mechanisms(cipher, use)),
            Attribute.VALUE_LEN: _number(length) if cipher.sized else DEFAULT,
        }
    )


@cache
def raw_bytes(length: int, *, readable: bool) -> Template:
    """Bytes that are no key yet: public blocks that may be read, or a card key that may only leave wrapped.

    They are CKK_GENERIC_SECRET: a DES key would come out with its parity forced (HSM.md).
    """
    return MappingProxyType(
        {
            **_secret(KeyType.GENERIC_SECRET, Use.NOTHING),
            Attribute.VALUE_LEN: _number(length),
            Attribute.SENSITIVE: _NO if readable else _YES,
            Attribute.EXTRACTABLE: _YES,
        }
    )


def stored_key(cipher: TokenCipher, use: Use, label: str, value: bytes) -> dict[Attribute, Any]:
    """A master on its way into the token; it can neither be copied nor changed there."""
    return {
        **_secret(cipher.key_type, use),
        **_only(allowed_mechanisms(cipher, use)),
        Attribute.TOKEN: _YES,
        Attribute.MODIFIABLE: _NO,
        Attribute.COPYABLE: _NO,
        Attribute.LABEL: label,
        Attribute.VALUE: value,
    }


def known_key(cipher: TokenCipher, use: Use, value: bytes) -> dict[Attribute, Any]:
    """A published key for the start-up probe, gone with its session."""
    return {**stored_key(cipher, use, "", value), Attribute.TOKEN: _NO}


def known_block(value: bytes) -> dict[Attribute, Any]:
    """A block that everybody knows, to be wrapped for a key's check value."""
    return {
        **_secret(KeyType.GENERIC_SECRET, Use.NOTHING),
        Attribute.EXTRACTABLE: _YES,
        Attribute.VALUE: value,
    }


class LeanMapper(AttributeMapper):
    """Sends ready attributes as they are and makes no class per key, which python-pkcs11 would do for each."""

    def __init__(self) -> None:
        super().__init__()
        self.register_handler(Attribute.ALLOWED_MECHANISMS, _pack_numbers, _unpack_numbers)
        self.register_handler(Attribute.KEY_TYPE, _number, lambda value: _unpack_numbers(value)[0])

    def pack_attribute(self, key: Attribute, value: Any) -> bytes:
        """The attribute's bytes."""
        return value if isinstance(value, bytes) else super().pack_attribute(key, value)

    def unpack_attributes(self, key: Attribute, value: bytes) -> Any:
        """The attribute's value; the class of an object is not told: the library then hands out a plain object."""
        if key == Attribute.CLASS:
            raise KeyError(key)
        return super().unpack_attributes(key, value)

    def secret_key_template(self, **_: Any) -> dict[Attribute, Any]:
        """Nothing: the templates above are whole."""
        return {}


def _secret(key_type: KeyType, use: Use) -> dict[Attribute, bytes]:
    return {
        Attribute.CLASS: _number(ObjectClass.SECRET_KEY),
        Attribute.KEY_TYPE: _number(key_type),
        Attribute.TOKEN: _NO,
        Attribute.PRIVATE: _YES,
        Attribute.SENSITIVE: _YES,
        Attribute.EXTRACTABLE: _NO,
        **{attribute: _YES if flag & use.value else _NO for attribute, flag in CAPABILITIES.items()},
    }


def _only(mechanisms: tuple[Mechanism, ...]) -> dict[Attribute, bytes]:
    return {Attribute.ALLOWED_MECHANISMS: _pack_numbers(mechanisms)}


def _number(value: int) -> bytes:
    return struct.pack("@L", value)


def _pack_numbers(values: tuple[int, ...]) -> bytes:
    return b"".join(map(_number, values))


def _unpack_numbers(value: bytes) -> tuple[int, ...]:
    return struct.unpack(f"@{len(value) // struct.calcsize('@L')}L", value)
