"""A new version of a key takes over while cards that were served with the old one can still be checked."""

from __future__ import annotations

from pathlib import Path

import pytest

from ota.card.keys import Algorithm, KeyRole
from ota.hsm_adapter.errors import KeyNotUsable, TacWrong
from ota.hsm_adapter.keys import CardKey, KeyState
from ota.hsm_adapter.software import KeyStore, SoftwareHsm
from tests.hsm_adapter.keyring import PATH, a_load, expected_mac2, expected_tac, key_ref

OLD = bytes.fromhex("8A3C5D1F90B7E2466BD10E94F7A2C358")
NEW = bytes.fromhex("17E4C09B3D528F6AA1B64D02E95F7C83")
ALGORITHMS = [Algorithm.TDES, Algorithm.SM4]


def key(role: KeyRole, algorithm: Algorithm, version: int) -> CardKey:
    return CardKey(key_ref(role, algorithm, version), PATH)


def rotated(folder: Path, algorithm: Algorithm) -> tuple[KeyStore, SoftwareHsm]:
    """Versions 1 and 2 of load and TAC key, in the middle of their change."""
    store = KeyStore(folder, environment="sandbox")
    hsm = SoftwareHsm(store)
    for role in (KeyRole.LOAD, KeyRole.TAC):
        store.add({key(role, algorithm, 1).ref: OLD}, test=False)
        store.add({key(role, algorithm, 2).ref: NEW}, test=False, state=KeyState.PRE_ACTIVE)
    return store, hsm


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_new_version_authorises_only_once_it_is_active(tmp_path: Path, algorithm: Algorithm) -> None:
    store, hsm = rotated(tmp_path, algorithm)
    load = a_load(algorithm, master=NEW)
    new = key(KeyRole.LOAD, algorithm, 2)

    with pytest.raises(KeyNotUsable):
        hsm.authorise_load(new, load)
    store.change_state(new.ref, KeyState.ACTIVE)

    assert hsm.authorise_load(new, load) == expected_mac2(algorithm, load, NEW)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_old_version_still_verifies_and_authorises_nothing(tmp_path: Path, algorithm: Algorithm) -> None:
    store, hsm = rotated(tmp_path, algorithm)
    load = a_load(algorithm, master=OLD)
    for role in (KeyRole.LOAD, KeyRole.TAC):
        store.change_state(key(role, algorithm, 1).ref, KeyState.VERIFY_ONLY)

    hsm.check_mac1(key(KeyRole.LOAD, algorithm, 1), load)
    hsm.verify_tac(key(KeyRole.TAC, algorithm, 1), load, expected_tac(algorithm, load, OLD))
    with pytest.raises(KeyNotUsable, match="verify-only"):
        hsm.authorise_load(key(KeyRole.LOAD, algorithm, 1), load)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_retired_version_does_nothing(tmp_path: Path, algorithm: Algorithm) -> None:
    store, hsm = rotated(tmp_path, algorithm)
    load = a_load(algorithm, master=OLD)
    old = key(KeyRole.LOAD, algorithm, 1)
    store.change_state(old.ref, KeyState.RETIRED)

    with pytest.raises(KeyNotUsable, match="retired"):
        hsm.check_mac1(old, load)


def test_a_server_learns_of_a_new_state_with_its_next_look(tmp_path: Path) -> None:
    store, _ = rotated(tmp_path, Algorithm.TDES)
    server = SoftwareHsm.open(tmp_path, environment="sandbox")
    load, old = a_load(master=OLD), key(KeyRole.LOAD, Algorithm.TDES, 1)
    before = server.authorise_load(old, load)
    store.change_state(old.ref, KeyState.VERIFY_ONLY)

    health = server.health()

    assert before == expected_mac2(Algorithm.TDES, load, OLD)
    assert health.ok
    with pytest.raises(KeyNotUsable):
        server.authorise_load(old, load)


def test_a_mac_of_one_version_is_none_of_the_other(tmp_path: Path) -> None:
    store, hsm = rotated(tmp_path, Algorithm.TDES)
    store.change_state(key_ref(KeyRole.TAC, version=2), KeyState.ACTIVE)
    load = a_load(master=OLD)
    tac = expected_tac(Algorithm.TDES, load, OLD)

    hsm.verify_tac(key(KeyRole.TAC, Algorithm.TDES, 1), load, tac)
    with pytest.raises(TacWrong):
        hsm.verify_tac(key(KeyRole.TAC, Algorithm.TDES, 2), load, tac)
