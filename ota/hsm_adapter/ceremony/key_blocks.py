"""Keys that come and go in TR-31 blocks: what a block must say to be a key of a certain name.

========================================  =====  ====  =================================================
role                                      usage  mode  X9.143
========================================  =====  ====  =================================================
purchase, load, load_2, tac               E0     X     EMV/chip issuer master: application cryptograms
card_control, app_control                 E1     X     EMV/chip issuer master: messaging, confidentiality
card_maintenance, app_maintenance, pin,   E2     X     EMV/chip issuer master: messaging, integrity
app_block, app_unblock, ecash_record,
purse_record
sd_enc, sd_mac, sd_dek                    E5     X     EMV/chip issuer master: card personalisation
spare, reserved_1, reserved_2             E6     X     EMV/chip issuer master: other
transport                                 K1     B     TR-31 key block protection key
========================================  =====  ====  =================================================

Algorithms: 3DES is T, AES is A, SM4 is 4 (X9.143 leaves digits to the partners). The version is two upper-case
hexadecimal digits; 00 also stands for "none stated". Several roles share a usage, so the block's label (LB) carries
the whole name; a block without one is taken for the name that the administrator states.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from ota.card.keys import Algorithm, KeyRole
from ota.core.errors import InvalidValue
from ota.hsm_adapter import tr31
from ota.hsm_adapter.errors import AlgorithmNotSupported, KeyMisuse, KeyNotUsable, KeyRefused
from ota.hsm_adapter.keys import KeyState
from ota.hsm_adapter.software.ciphers import wipe
from ota.hsm_adapter.tr31 import Header, KeyBlockRefused

if TYPE_CHECKING:
    from ota.hsm_adapter.ceremony.vault import KeyVault, OpenableVault
    from ota.hsm_adapter.keys import KeyRef
    from ota.hsm_adapter.ports import KeyEntry

LABEL: Final = "LB"
NOT_EXPORTABLE: Final = "N"
EXPORTABILITIES: Final = ("N", "E", "S")
_NO_VERSION: Final = "00"

_USAGE: Final = MappingProxyType(
    {
        **dict.fromkeys((KeyRole.PURCHASE, KeyRole.LOAD, KeyRole.LOAD_2, KeyRole.TAC), "E0"),
        **dict.fromkeys((KeyRole.CARD_CONTROL, KeyRole.APP_CONTROL), "E1"),
        **dict.fromkeys((KeyRole.CARD_MAINTENANCE, KeyRole.APP_MAINTENANCE, KeyRole.PIN), "E2"),
        **dict.fromkeys((KeyRole.APP_BLOCK, KeyRole.APP_UNBLOCK), "E2"),
        **dict.fromkeys((KeyRole.ECASH_RECORD, KeyRole.PURSE_RECORD), "E2"),
        **dict.fromkeys((KeyRole.SD_ENC, KeyRole.SD_MAC, KeyRole.SD_DEK), "E5"),
        **dict.fromkeys((KeyRole.SPARE, KeyRole.RESERVED_1, KeyRole.RESERVED_2), "E6"),
        KeyRole.TRANSPORT: "K1",
    }
)
_ALGORITHM: Final = MappingProxyType({Algorithm.TDES: "T", Algorithm.SM4: "4"})
_AES: Final = "A"


def header_of(ref: KeyRef, exportability: str) -> Header:
    """What a block says that carries the key of this name."""
    return Header(
        usage=_USAGE[ref.role],
        algorithm=_ALGORITHM.get(ref.algorithm, _AES),
        mode="B" if ref.role is KeyRole.TRANSPORT else "X",
        version=f"{ref.version:02X}",
        exportability=exportability,
        optional=((LABEL, str(ref)),),
    )


@dataclass(frozen=True, slots=True)
class Protection:
    """The transport key of a block, and the vault that it is in: the software one, since it is used here."""

    vault: OpenableVault
    ref: KeyRef

    def opened(self, ref: KeyRef, *states: KeyState) -> bytearray:
        """The transport key, in a buffer that the caller wipes, if in one of the states and fit to protect the key.

        Raises KeyMisuse, AlgorithmNotSupported, KeyRefused, KeyUnknown, KeyNotUsable.
        """
        if self.ref.role is not KeyRole.TRANSPORT:
            raise KeyMisuse(self.ref)
        if self.ref.algorithm in _ALGORITHM:
            raise AlgorithmNotSupported(self.ref)  # version D is AES
        if ref.algorithm.key_length > self.ref.algorithm.key_length:
            raise KeyRefused(ref, f"a key of {self.ref.algorithm} is too weak to protect it")
        state = self.vault.entry(self.ref).state
        if state not in states:
            raise KeyNotUsable(self.ref, state)
        return self.vault.opened(self.ref)


def import_block(
    vault: KeyVault,
    protection: Protection,
    block: str,
    ref: KeyRef,
    *,
    state: KeyState = KeyState.PRE_ACTIVE,
    test: bool = False,
) -> KeyEntry:
    """Take in the key of a block as the key of this name.

    Raises KeyBlockRefused, and what `KeyVault.add` and `Protection.opened` raise.
    """
    transport = protection.opened(ref, KeyState.ACTIVE, KeyState.VERIFY_ONLY)
    try:
        header, key = tr31.unwrap(transport, block)
    finally:
        wipe(transport)
    try:
        _check_header(header, ref)
        exportable = header.exportability != NOT_EXPORTABLE
        (entry,) = vault.add({ref: key}, test=test, state=state, exportable=exportable)
    finally:
        wipe(key)
    return entry


def export_block(
    vault: OpenableVault, protection: Protection, ref: KeyRef, *, exportability: str = NOT_EXPORTABLE
) -> str:
    """The block of a key, for the holder of the transport key; ``exportability`` binds the receiver.

    Raises KeyRefused for a key that may not leave and for a transport key, and what `Protection.opened` raises.
    """
    if exportability not in EXPORTABILITIES:
        raise InvalidValue("exportability", "N, E or S")
    entry = vault.entry(ref)
    if not entry.exportable or ref.role is KeyRole.TRANSPORT:
        raise KeyRefused(ref, "it may not leave this store")
    if entry.state is KeyState.RETIRED:
        raise KeyNotUsable(ref, entry.state)
    transport = protection.opened(ref, KeyState.ACTIVE)
    key = vault.opened(ref)
    try:
        return tr31.wrap(transport, header_of(ref, exportability), key)
    finally:
        wipe(transport, key)


def _check_header(header: Header, ref: KeyRef) -> None:
    """Raise KeyBlockRefused unless the block says that it is the key of this name."""
    expected = header_of(ref, header.exportability)
    for field in ("usage", "algorithm", "mode"):
        if getattr(header, field) != getattr(expected, field):
            raise KeyBlockRefused(
                f"its {field} is {getattr(header, field)}, {getattr(expected, field)} is {ref}"
            )
    if header.version not in {_NO_VERSION, expected.version}:
        raise KeyBlockRefused(f"its version is {header.version}, {expected.version} is {ref}")
    if header.exportability not in EXPORTABILITIES:
        raise KeyBlockRefused("its exportability is none of N, E and S")
    if header.text(LABEL) not in {None, str(ref)}:
        raise KeyBlockRefused(f"its label names another key than {ref}")
