"""HSMs over a real token that holds published keys for the length of a session, and what they are compared with."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from ota.card.keys import Algorithm, KeyRole
from ota.hsm_adapter.keys import CARD_ROLES, KeyRef, KeyState
from ota.hsm_adapter.pkcs11 import Pkcs11Hsm, Sm4Mechanisms, TokenPlace
from ota.hsm_adapter.pkcs11.attributes import uses_of
from ota.hsm_adapter.pkcs11.ciphers import Ciphers, token_ciphers
from ota.hsm_adapter.pkcs11.marks import Mark
from ota.hsm_adapter.pkcs11.masters import Masters, master_of
from ota.hsm_adapter.pkcs11.session import TokenSession
from ota.hsm_adapter.pkcs11.templates import known_key
from ota.hsm_adapter.pkcs11.token import OpenToken
from ota.hsm_adapter.ports import Exposure
from ota.hsm_adapter.software.epurse import EPurseRules
from tests.hsm_adapter.keyring import MASTER, key_ref

Keys = Mapping[KeyRef, bytes]
MODULE_OF_AES = Sm4Mechanisms(0x1F, 0x1104, 0x1082, sized=True)
"""AES-128 in SM4's place: both are ciphers of 16-byte blocks and keys, so the way that SM4 takes can be walked."""


def one_master(*algorithms: Algorithm, master: bytes = MASTER) -> dict[KeyRef, bytes]:
    return {
        key_ref(role, algorithm): master
        for role in CARD_ROLES
        for algorithm in (algorithms or (Algorithm.TDES,))
    }


def session_of(
    place: TokenPlace,
    keys: Keys,
    *,
    sm4: Sm4Mechanisms | None = None,
    state: KeyState = KeyState.ACTIVE,
    wrapping: bool = False,
    deadline_s: float = 60.0,
) -> TokenSession[Masters]:
    load = partial(
        _loaded, keys=keys, ciphers=token_ciphers(sm4), mark=Mark(state, test=True), wrapping=wrapping
    )
    return TokenSession(place, load, deadline_s=deadline_s)


def hsm_of(
    place: TokenPlace,
    keys: Keys,
    *,
    maximum: Exposure = Exposure.CARD_KEY,
    sm4: Sm4Mechanisms | None = None,
    rules: EPurseRules | None = None,
    state: KeyState = KeyState.ACTIVE,
    wrapping: bool = False,
) -> Pkcs11Hsm:
    """``wrapping``: the AES DEKs are wrapping keys, for undiversified sets."""
    session = session_of(place, keys, sm4=sm4, state=state, wrapping=wrapping)
    return Pkcs11Hsm(session, maximum_exposure=maximum, rules=rules or EPurseRules())


def _loaded(token: OpenToken, keys: Keys, ciphers: Ciphers, mark: Mark, *, wrapping: bool) -> Masters:
    masters = {}
    for ref, value in keys.items():
        cipher = ciphers[ref.algorithm]
        use = uses_of(ref)[-1 if wrapping and ref.role is KeyRole.SD_DEK else 0]
        masters[ref] = master_of(token, ref, token.created(known_key(cipher, use, value)), cipher, use, mark)
    return Masters(masters, None)
