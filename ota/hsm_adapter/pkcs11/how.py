"""How the token does each operation, in words for ``ota keys capabilities``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ota.card.keys import Algorithm
from ota.hsm_adapter.ports import Operation

if TYPE_CHECKING:
    from ota.hsm_adapter.pkcs11.probe import Probed

_DERIVED: Final = "city and card key derived in the token (ECB_ENCRYPT_DATA)"

_PURSE: Final = {
    Operation.AUTHORISE_LOAD: f"{_DERIVED}, so the session key; MAC1 and MAC2 by CBC there",
    Operation.CHECK_MAC1: f"{_DERIVED}, so the session key; MAC1 by CBC there",
    Operation.EXTERNAL_AUTH: f"{_DERIVED}; cryptogram by its cipher",
    Operation.KCV: "computed by the key's cipher in the token",
}
_TDES: Final = {
    Operation.VERIFY_TAC: f"{_DERIVED} and read out; halves XORed and TAC computed in this process",
    Operation.SECURE_APDU: f"{_DERIVED}, its left half once more as single DES; retail MAC in the token",
    Operation.WRITE_KEY: f"{_DERIVED}; the key to be written is read out, enciphered and MACed in the token",
}
_SM4: Final = {
    Operation.VERIFY_TAC: f"{_DERIVED}; TAC by its cipher, block by block",
    Operation.SECURE_APDU: f"{_DERIVED}; MAC by its cipher, block by block",
    Operation.WRITE_KEY: _TDES[Operation.WRITE_KEY],
}
_CHANNEL: Final = {
    Algorithm.TDES: "SCP02: static and session keys derived in the token (CBC_ENCRYPT_DATA), retail MAC and CBC there",
    Algorithm.AES128: "SCP03: static and session keys derived in the token (SP 800-108 KDF), CMAC and CBC there",
}
_EXPORT: Final = {
    Algorithm.TDES: f"SCP02: {_DERIVED} and read out; enciphered under the session DEK in the token",
    Algorithm.AES128: f"SCP03: {_DERIVED}; wrapped there under the Key-DEK (AES_CBC)",
}


def how(what: Probed) -> str:
    """One sentence; what does not work is said to be so by the probe, not here."""
    if what.operation is Operation.OPEN_CHANNEL:
        return _of_channel(_CHANNEL, what.algorithm)
    if what.operation is Operation.EXPORT_CARD_KEY:
        return _of_channel(_EXPORT, what.under)
    own = _TDES if what.algorithm is Algorithm.TDES else _SM4
    return _PURSE.get(what.operation) or own[what.operation]


def _of_channel(texts: dict[Algorithm, str], algorithm: Algorithm | None) -> str:
    return texts[Algorithm.TDES if algorithm is Algorithm.TDES else Algorithm.AES128]
