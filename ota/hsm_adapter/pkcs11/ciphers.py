"""How an algorithm is called on a token: key type, mechanisms and their parameters."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from pkcs11 import KeyType, Mechanism

from ota.card.keys import Algorithm

Number = TypeVar("Number", KeyType, Mechanism)

_ROOM: Final = 512
_DATA: Final = ctypes.create_string_buffer(_ROOM)  # one is enough: one thread uses it, for one call at a time
_ADDRESS: Final = ctypes.addressof(_DATA)
_STRING_DATA: Final = struct.Struct("@PL")  # CK_KEY_DERIVATION_STRING_DATA (PKCS #11 2.40, 2.42.2)
_CBC_DATA: Final = struct.Struct("@8sPL")  # CK_DES_CBC_ENCRYPT_DATA_PARAMS (the same)


@dataclass(frozen=True, slots=True)
class TokenCipher:
    """One block cipher on the token. ``sized``: whether a derived key's length is told, as variable ones need."""

    key_type: KeyType
    block: int
    ecb_data: Mechanism
    cbc: Mechanism
    sized: bool

    def ecb_parameter(self, data: bytes) -> bytes:
        """The parameter of the derivation by ECB; python-pkcs11 makes AES's structure itself."""
        if self.ecb_data is Mechanism.AES_ECB_ENCRYPT_DATA:
            return data
        return _STRING_DATA.pack(_placed(data), len(data))


@dataclass(frozen=True, slots=True)
class Sm4Mechanisms:
    """The numbers under which a vendor's token has SM4; they differ from one to the next (HSM.md)."""

    key_type: int
    ecb_encrypt_data: int
    cbc: int
    sized: bool = False

    def cipher(self) -> TokenCipher:
        """SM4 as this token calls it."""
        return TokenCipher(
            _numbered(KeyType, self.key_type),
            Algorithm.SM4.block_length,
            _numbered(Mechanism, self.ecb_encrypt_data),
            _numbered(Mechanism, self.cbc),
            self.sized,
        )


TDES: Final = TokenCipher(KeyType.DES2, 8, Mechanism.DES3_ECB_ENCRYPT_DATA, Mechanism.DES3_CBC, sized=False)
AES: Final = TokenCipher(KeyType.AES, 16, Mechanism.AES_ECB_ENCRYPT_DATA, Mechanism.AES_CBC, sized=True)

Ciphers = Mapping[Algorithm, TokenCipher]


def token_ciphers(sm4: Sm4Mechanisms | None) -> Ciphers:
    """The algorithms of a token; SM4 where its numbers are given."""
    ciphers = {Algorithm.TDES: TDES, Algorithm.AES128: AES, Algorithm.AES192: AES, Algorithm.AES256: AES}
    return ciphers if sm4 is None else {**ciphers, Algorithm.SM4: sm4.cipher()}


def des_cbc_parameter(data: bytes) -> bytes:
    """The parameter of 3DES's derivation by CBC with zero IV."""
    return _CBC_DATA.pack(bytes(8), _placed(data), len(data))


def _placed(data: bytes) -> int:
    """The address of the data, until the next call."""
    _DATA.raw = data  # refuses what is longer than the room
    return _ADDRESS


def _numbered(kind: type[Number], number: int) -> Number:
    """A member of python-pkcs11's enumeration, made up for a vendor's number, which it does not know."""
    try:
        return kind(number)
    except ValueError:
        made = int.__new__(kind, number)
        made._name_, made._value_ = f"VENDOR_{number:08X}", number
        return made
