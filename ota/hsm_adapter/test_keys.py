"""Provisions the sandbox's published keys, each marked, so that nothing in production ever trusts them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from ota.card.keys import Algorithm
from ota.hsm_adapter.keys import CARD_ALGORITHMS, CARD_ROLES, SECURITY_DOMAIN_ROLES, KeyRef
from ota.hsm_adapter.software.published import globalplatform_key, sandbox_master

if TYPE_CHECKING:
    from ota.hsm_adapter.ports import KeyEntry
    from ota.hsm_adapter.software.store import KeyStore

PROVINCE: Final = "province"
PLATFORM: Final = "platform"
GP_TEST: Final = "gp-test"

CARD_KEY_VERSION: Final = 1
DOMAIN_KEY_VERSIONS: Final = {
    Algorithm.TDES: 0x20,
    Algorithm.AES128: 0x30,
    Algorithm.AES192: 0x31,
    Algorithm.AES256: 0x32,
}


def provision_test_keys(store: KeyStore) -> Sequence[KeyEntry]:
    """Add the published masters that the store does not hold yet; asking again changes nothing.

    Raises TestKeysInProduction where they may not be.
    """
    return store.add(_published(), test=True, only_missing=True)


def _published() -> dict[KeyRef, bytes]:
    """The masters of province and platform by the sandbox's rule, and GlobalPlatform's own test keys."""
    keys = {
        KeyRef(role, PROVINCE, CARD_KEY_VERSION, algorithm): sandbox_master(role, algorithm)
        for role in sorted(CARD_ROLES)
        for algorithm in CARD_ALGORITHMS
    }
    for algorithm, version in DOMAIN_KEY_VERSIONS.items():
        for role in SECURITY_DOMAIN_ROLES:
            keys[KeyRef(role, PLATFORM, version, algorithm)] = sandbox_master(role, algorithm)
            keys[KeyRef(role, GP_TEST, version, algorithm)] = globalplatform_key(algorithm)
    return keys
