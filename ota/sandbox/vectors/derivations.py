"""Vectors of key derivations: card keys from masters, session keys, check values."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from ota.card.globalplatform import scp02, scp03
from ota.card.keys import Algorithm, KeyRole
from ota.hsm_adapter.keys import Diversification
from ota.hsm_adapter.software import session02, session03
from ota.hsm_adapter.software.ciphers import block_cipher, check_value
from ota.hsm_adapter.software.diversify import static_keys
from ota.sandbox.vectors.reading import Failure, Vector

_AES_BY_LENGTH: Final = {16: Algorithm.AES128, 24: Algorithm.AES192, 32: Algorithm.AES256}
_ROLES: Final = (KeyRole.SD_ENC, KeyRole.SD_MAC, KeyRole.SD_DEK)
_SINGLE: Final = ("enc_key", "mac_key", "dek_key")
_GP_TEST_KEY: Final = bytes(range(0x40, 0x50))
_DEK_FIELD: Final = "dek_encrypted_404142.."
_SEQUENCE_IN_NAME: Final = re.compile(r"seq([0-9A-Fa-f]{4})")

_SCP02_CONSTANTS: Final = {
    "enc": scp02.DERIVE_ENC,
    "mac": scp02.DERIVE_C_MAC,
    "dek": scp02.DERIVE_DEK,
    "rmac": scp02.DERIVE_R_MAC,
}
_SCP03_CONSTANTS: Final = {
    "enc": scp03.DERIVE_S_ENC,
    "mac": scp03.DERIVE_S_MAC,
    "rmac": scp03.DERIVE_S_RMAC,
}


def check_derivation(vector: Vector) -> None:
    """One derivation by its scheme."""
    scheme = vector.text("scheme")
    if scheme not in _SCHEMES:
        raise Failure(f"scheme: expected one of {', '.join(_SCHEMES)}")
    _SCHEMES[scheme](vector)


def _check_diversified(scheme: Diversification) -> Callable[[Vector], None]:
    def check(vector: Vector) -> None:
        master = vector.data("master")
        algorithm = _algorithm(len(master)) if scheme is Diversification.KDF3 else Algorithm.TDES
        if len(master) != algorithm.key_length:
            raise Failure(f"master: expected {algorithm.key_length} bytes")
        masters = {role: bytearray(master) for role in _ROLES}
        static = static_keys(scheme, masters, vector.data("kdd", 10))
        keys = (static.enc, static.mac, static.dek)
        _compare_lists(vector, "keys_enc_mac_dek", [bytes(key) for key in keys])
        _compare_lists(vector, "kcv", [check_value(algorithm, key) for key in keys])
        for name, key in zip(_SINGLE, keys, strict=True):
            vector.same(name, key)

    return check


def _check_scp02_session(vector: Vector) -> None:
    static, sequence = vector.data("static", 16), _sequence(vector)
    keys = {
        name: session02.session_key(static, constant, sequence) for name, constant in _SCP02_CONSTANTS.items()
    }
    _compare_session(vector, Algorithm.TDES, keys)
    vector.same(_DEK_FIELD, block_cipher(Algorithm.TDES, keys["dek"]).update(_GP_TEST_KEY))


def _check_scp03_session(vector: Vector) -> None:
    static, context = vector.data("static"), vector.data("context")
    algorithm = _algorithm(len(static))
    keys = {
        name: session03.session_key(static, constant, context) for name, constant in _SCP03_CONSTANTS.items()
    }
    _compare_session(vector, algorithm, keys)


def _compare_session(vector: Vector, algorithm: Algorithm, keys: Mapping[str, bytearray]) -> None:
    if vector.has("session"):
        part = vector.part("session")
        for name, key in keys.items():
            part.same(name, key)
    if vector.has("kcv"):
        part = vector.part("kcv")
        for name, key in keys.items():
            part.same(name, check_value(algorithm, key))


def _compare_lists(vector: Vector, name: str, computed: list[bytes]) -> None:
    if vector.has(name):
        vector.holds(name, vector.datas(name) == computed)


def _sequence(vector: Vector) -> bytes:
    """The 2-byte counter: a field, or in the vector's name as the published one has it, else zero."""
    if vector.has("sequence"):
        return vector.data("sequence", 2)
    named = _SEQUENCE_IN_NAME.search(vector.text("name")) if vector.has("name") else None
    return bytes.fromhex(named[1]) if named else bytes(2)


def _algorithm(length: int) -> Algorithm:
    algorithm = _AES_BY_LENGTH.get(length)
    if algorithm is None:
        raise Failure("expected an AES key of 16, 24 or 32 bytes")
    return algorithm


_SCHEMES: Final[Mapping[str, Callable[[Vector], None]]] = {
    "emv-cps": _check_diversified(Diversification.EMV_CPS),
    "visa2": _check_diversified(Diversification.VISA2),
    "kdf3": _check_diversified(Diversification.KDF3),
    "scp02-session": _check_scp02_session,
    "scp03-session": _check_scp03_session,
}
