"""Puts the sandbox's published keys on a token, each marked, so that nothing in production ever trusts them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from ota.hsm_adapter.test_keys import GP_TEST, provision_test_keys

if TYPE_CHECKING:
    from ota.hsm_adapter.keys import KeyRef
    from ota.hsm_adapter.pkcs11.administration import TokenKeys
    from ota.hsm_adapter.ports import KeyEntry
    from ota.hsm_adapter.software.ciphers import Key
    from ota.hsm_adapter.software.store import KeyStore


def provision_token(keys: TokenKeys) -> Sequence[KeyEntry]:
    """Add the published masters that the token does not hold yet and can use; asking again changes nothing.

    Raises TestKeysInProduction where they may not be.
    """
    return provision_test_keys(cast("KeyStore", _Fitting(keys)))


@dataclass(frozen=True, slots=True)
class _Fitting:
    """The token as the provisioning of test keys sees it: without algorithms that it lacks, GP's test set as it is used."""

    keys: TokenKeys

    def add(
        self, keys: Mapping[KeyRef, Key], *, test: bool, only_missing: bool = False
    ) -> Sequence[KeyEntry]:
        """Add what the token can use. GlobalPlatform's test keys are a card's own, so their DEK wraps."""
        fitting = {ref: key for ref, key in keys.items() if ref.algorithm in self.keys.algorithms}
        wrapping = frozenset(ref for ref in fitting if ref.issuer == GP_TEST)
        return self.keys.add(fitting, test=test, only_missing=only_missing, wrapping=wrapping)
