"""A ceremony puts its key into whichever vault there is."""

from __future__ import annotations

import inspect

import pytest

from ota.hsm_adapter.ceremony.vault import KeyVault
from ota.hsm_adapter.pkcs11.administration import TokenKeys
from ota.hsm_adapter.software import KeyStore

VERBS = [name for name, _ in inspect.getmembers(KeyVault, inspect.isfunction) if not name.startswith("_")]


@pytest.mark.parametrize("vault", [KeyStore, TokenKeys])
@pytest.mark.parametrize("verb", VERBS)
def test_store_and_token_take_what_a_ceremony_gives(vault: type, verb: str) -> None:
    wanted = inspect.signature(getattr(KeyVault, verb)).parameters

    offered = inspect.signature(getattr(vault, verb)).parameters

    assert [(name, each.kind) for name, each in wanted.items()] == [
        (name, offered[name].kind) for name in wanted if name in offered
    ]
