from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from ota.card.keys import Algorithm, KeyRole
from ota.hsm_adapter.keys import KeyRef
from ota.hsm_adapter.software import KeyStore
from ota.hsm_adapter.software.published import published_keys
from ota.hsm_adapter.software.weakness import guessable
from ota.hsm_adapter.test_keys import provision_test_keys


def test_every_role_gets_its_published_master_marked_as_a_test_key(tmp_path: Path) -> None:
    store = KeyStore(tmp_path, environment="sandbox")

    provision_test_keys(store)

    entries = store.entries()
    assert len(entries) == 16 * 2 + 3 * 4 * 2
    assert all(entry.test for entry in entries)


@pytest.mark.parametrize(
    ("ref", "text", "length"),
    [
        (
            KeyRef(KeyRole.LOAD, "province", 1, Algorithm.TDES),
            "OTA SANDBOX TEST KEY load 3DES",
            16,
        ),
        (KeyRef(KeyRole.TAC, "province", 1, Algorithm.SM4), "OTA SANDBOX TEST KEY tac SM4", 16),
        (
            KeyRef(KeyRole.SD_ENC, "platform", 0x31, Algorithm.AES192),
            "OTA SANDBOX TEST KEY sd_enc AES-192",
            24,
        ),
        (
            KeyRef(KeyRole.SD_DEK, "platform", 0x20, Algorithm.TDES),
            "OTA SANDBOX TEST KEY sd_dek 3DES",
            16,
        ),
    ],
)
def test_a_master_is_the_beginning_of_a_digest(tmp_path: Path, ref: KeyRef, text: str, length: int) -> None:
    store = KeyStore(tmp_path, environment="sandbox")

    provision_test_keys(store)

    assert store.opened(ref) == sha256(text.encode()).digest()[:length]


def test_the_issuer_domain_has_globalplatforms_test_keys(tmp_path: Path) -> None:
    store = KeyStore(tmp_path, environment="sandbox")

    provision_test_keys(store)

    ref = KeyRef(KeyRole.SD_MAC, "gp-test", 0x32, Algorithm.AES256)
    assert store.opened(ref) == bytes(range(0x40, 0x60))


def test_provisioning_again_changes_nothing(tmp_path: Path) -> None:
    store = KeyStore(tmp_path, environment="sandbox")
    provision_test_keys(store)

    assert provision_test_keys(store) == []
    assert store.generation == 1


@pytest.mark.parametrize(("algorithm", "count"), [(Algorithm.TDES, 256 + 16 * 16), (Algorithm.AES256, 256)])
def test_keys_that_are_few_enough_are_all_known(algorithm: Algorithm, count: int) -> None:
    tried = list(guessable(algorithm))

    assert len(tried) == count
    assert {len(key) for key in tried} == {algorithm.key_length}
    assert set(tried) <= published_keys(algorithm)
