"""A card's three security domain keys, from the masters to objects in the token."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from ota.card.keys import KeyRole
from ota.hsm_adapter.errors import KeyMisuse
from ota.hsm_adapter.keys import Diversification
from ota.hsm_adapter.pkcs11 import cmac_kdf
from ota.hsm_adapter.pkcs11.attributes import uses_of
from ota.hsm_adapter.pkcs11.ciphers import TDES
from ota.hsm_adapter.pkcs11.templates import Use

if TYPE_CHECKING:
    from ota.hsm_adapter.pkcs11.masters import Master
    from ota.hsm_adapter.pkcs11.token import Handle, OpenToken

DomainMasters = Mapping[KeyRole, "Master"]

_ROLES: Final = (KeyRole.SD_ENC, KeyRole.SD_MAC, KeyRole.SD_DEK)


class StaticKeys(NamedTuple):
    """A card's static keys. SCP03's DEK wraps; all others derive."""

    enc: Handle
    mac: Handle
    dek: Handle


def static_keys(
    token: OpenToken, scheme: Diversification, masters: DomainMasters, diversification_data: bytes
) -> StaticKeys:
    """The card's keys; raises KeyMisuse for a DEK whose attributes are for the other kind of set.

    A diversified set's DEK master derives, an undiversified AES one is the wrapping key itself.
    """
    derive = _SCHEMES[scheme]
    return StaticKeys(
        *(
            derive(token, masters[role], diversification_data, number)
            for number, role in enumerate(_ROLES, start=1)
        )
    )


def _none(_token: OpenToken, master: Master, _data: bytes, _number: int) -> Handle:
    """The master is the card's key; a DEK of SCP03 then has to wrap."""
    if master.use is not uses_of(master.entry.ref)[-1]:
        raise KeyMisuse(master.entry.ref)
    return master.handle


def _visa2(token: OpenToken, master: Master, data: bytes, number: int) -> Handle:
    """VISA2: bytes 0-1 and 4-7 of the data stand for the card."""
    return _by_halves(token, master, data[0:2] + data[4:8], number)


def _emv_cps(token: OpenToken, master: Master, data: bytes, number: int) -> Handle:
    """EMV CPS 1.1: the 6 rightmost bytes of the data stand for the card."""
    return _by_halves(token, master, data[4:10], number)


def _by_halves(token: OpenToken, master: Master, card: bytes, number: int) -> Handle:
    halves = card + bytes((0xF0, number)) + card + bytes((0x0F, number))
    return token.child(master.handle, TDES, halves, Use.DERIVE)


def _kdf3(token: OpenToken, master: Master, data: bytes, number: int) -> Handle:
    """KDF3: counter, the key's number in 4 bytes, separator 00, the data as context (NIST SP 800-108)."""
    ref = master.entry.ref
    if master.use is not Use.DERIVE:
        raise KeyMisuse(ref)
    use = uses_of(ref)[-1]
    text = number.to_bytes(4, "big") + b"\x00" + data
    return cmac_kdf.derive(token, master.handle, text, 0, ref.algorithm.key_length, use)


_SCHEMES: Final = {
    Diversification.NONE: _none,
    Diversification.VISA2: _visa2,
    Diversification.EMV_CPS: _emv_cps,
    Diversification.KDF3: _kdf3,
}
