"""Holds a master key's attributes on the token against its role: whoever may do more than derive may read it out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pkcs11 import Attribute

from ota.card.keys import Algorithm, KeyRole
from ota.hsm_adapter.keys import KeyRef
from ota.hsm_adapter.pkcs11.ciphers import TokenCipher
from ota.hsm_adapter.pkcs11.errors import KeyAttributesWeak
from ota.hsm_adapter.pkcs11.templates import CAPABILITIES, Use, allowed_mechanisms
from ota.hsm_adapter.pkcs11.token import Handle

_MUST_BE: Final = {
    Attribute.PRIVATE: True,
    Attribute.SENSITIVE: True,
    Attribute.EXTRACTABLE: False,
    Attribute.MODIFIABLE: False,
    Attribute.COPYABLE: False,
}
_READ: Final = (*_MUST_BE, *CAPABILITIES, Attribute.KEY_TYPE, Attribute.ALLOWED_MECHANISMS)
_ABILITY: Final = {Use.DERIVE: Attribute.DERIVE, Use.WRAP: Attribute.WRAP}
_AES: Final = frozenset({Algorithm.AES128, Algorithm.AES192, Algorithm.AES256})
_NEWER: Final = frozenset({Attribute.COPYABLE})  # PKCS #11 2.40; a token of 2.20 does not know it


def uses_of(ref: KeyRef) -> tuple[Use, ...]:
    """What a key of this name may be for, one of them: masters derive, key-encryption keys wrap.

    SCP03's static DEK is either: a diversified set's master derives it, an undiversified set's is the wrapping key
    itself (Amendment D 6.2.8). A transport key of 3DES is not kept on a token: none seen so far wraps with it.
    """
    if ref.algorithm in _AES and ref.role is KeyRole.TRANSPORT:
        return (Use.WRAP,)
    if ref.algorithm in _AES and ref.role is KeyRole.SD_DEK:
        return Use.DERIVE, Use.WRAP
    return () if ref.role is KeyRole.TRANSPORT else (Use.DERIVE,)


def checked_use(handle: Handle, ref: KeyRef, cipher: TokenCipher) -> Use:
    """The key's one use; raises KeyAttributesWeak for a key that may do more, or less, than its role needs."""
    found = handle.get_attributes(_READ)
    if found[Attribute.KEY_TYPE] != cipher.key_type:
        raise KeyAttributesWeak(ref, f"it is no key of {ref.algorithm}")
    for attribute, wanted in _MUST_BE.items():
        if found.get(attribute, wanted if attribute in _NEWER else None) is not wanted:
            raise KeyAttributesWeak(ref, f"{attribute.name} must be {wanted}")
    use = _only_use(found, ref)
    _check_mechanisms(found, ref, cipher, use)
    return use


def _only_use(found: Mapping[Attribute, Any], ref: KeyRef) -> Use:
    abilities = {attribute for attribute in CAPABILITIES if found.get(attribute)}
    for use in uses_of(ref):
        if abilities == {_ABILITY[use]}:
            return use
    names = ", ".join(sorted(attribute.name for attribute in abilities)) or "nothing"
    expected = " or ".join(f"{_ABILITY[use].name} only" for use in uses_of(ref)) or "no such key on a token"
    raise KeyAttributesWeak(ref, f"it may {names}; expected {expected}")


def _check_mechanisms(found: Mapping[Attribute, Any], ref: KeyRef, cipher: TokenCipher, use: Use) -> None:
    """A token that knows CKA_ALLOWED_MECHANISMS must be told; an empty list there means any mechanism."""
    if Attribute.ALLOWED_MECHANISMS not in found:
        return
    allowed = set(found[Attribute.ALLOWED_MECHANISMS])
    wanted = allowed_mechanisms(cipher, use)
    if not allowed or not allowed <= set(wanted):
        names = ", ".join(mechanism.name for mechanism in wanted)
        raise KeyAttributesWeak(ref, f"ALLOWED_MECHANISMS must be {names}")
