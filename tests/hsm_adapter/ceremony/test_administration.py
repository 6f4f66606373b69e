"""The store's administrator: without the passphrase nothing in it changes, whoever has the files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ota.card.keys import KeyRole
from ota.hsm_adapter.errors import KeyStoreDamaged
from ota.hsm_adapter.keys import KeyState
from ota.hsm_adapter.software import KeyStore, catalogue
from ota.hsm_adapter.software.administration import AdministrationRefused, appoint
from ota.hsm_adapter.software.kek import Seal, seals
from ota.hsm_adapter.software.store import STORE_FILE
from tests.hsm_adapter.keyring import key_ref

SECRET = bytes.fromhex("8A3C5D1F90B7E2466BD10E94F7A2C358")
LOAD, TAC = key_ref(KeyRole.LOAD), key_ref(KeyRole.TAC)
PASSPHRASE = "seven horses graze at dusk"


def a_store(folder: Path, environment: str = "sandbox") -> KeyStore:
    return KeyStore(folder, environment=environment)


def administered(folder: Path, environment: str = "sandbox") -> KeyStore:
    """A store with an administrator, unlocked, and one key."""
    store = a_store(folder, environment)
    store.appoint(PASSPHRASE)
    store.add({LOAD: SECRET}, test=False)
    return store


def catalogue_seal(folder: Path) -> Seal:
    return seals(folder, "catalogue")[0]


def test_without_the_passphrase_nothing_changes(tmp_path: Path) -> None:
    administered(tmp_path)
    before = (tmp_path / STORE_FILE).read_bytes()
    store = a_store(tmp_path)

    with pytest.raises(AdministrationRefused):
        store.add({TAC: SECRET}, test=False)
    with pytest.raises(AdministrationRefused):
        store.change_state(LOAD, KeyState.RETIRED)
    with pytest.raises(AdministrationRefused):
        store.appoint("another passphrase")

    assert (tmp_path / STORE_FILE).read_bytes() == before


def test_a_server_uses_the_keys_without_the_passphrase(tmp_path: Path) -> None:
    appointed = administered(tmp_path).administrator

    store = a_store(tmp_path, "production")

    assert store.opened(LOAD) == SECRET
    assert store.administrator == appointed


def test_the_passphrase_lets_another_process_change_the_store(tmp_path: Path) -> None:
    administered(tmp_path)
    store = a_store(tmp_path)

    store.unlock(PASSPHRASE)
    store.change_state(LOAD, KeyState.VERIFY_ONLY)

    assert a_store(tmp_path).entry(LOAD).state is KeyState.VERIFY_ONLY


@pytest.mark.parametrize("wrong", ["", PASSPHRASE + " ", PASSPHRASE.upper()])
def test_another_passphrase_unlocks_nothing(tmp_path: Path, wrong: str) -> None:
    administered(tmp_path)

    with pytest.raises(AdministrationRefused, match="wrong"):
        a_store(tmp_path).unlock(wrong)


def test_a_store_without_administrator_has_nothing_to_unlock(tmp_path: Path) -> None:
    with pytest.raises(AdministrationRefused, match="ota keys appoint"):
        a_store(tmp_path).unlock(PASSPHRASE)


def test_the_unlocked_administrator_appoints_a_successor(tmp_path: Path) -> None:
    first = administered(tmp_path).administrator
    store = a_store(tmp_path)
    store.unlock(PASSPHRASE)

    second = store.appoint("a passphrase of the successor")

    assert first is not None
    assert second.fingerprint != first.fingerprint
    with pytest.raises(AdministrationRefused):
        a_store(tmp_path).unlock(PASSPHRASE)


@pytest.mark.parametrize("short", ["", "elevenchars", " " * 20])
def test_a_short_passphrase_appoints_nobody(tmp_path: Path, short: str) -> None:
    with pytest.raises(AdministrationRefused, match="12 characters"):
        a_store(tmp_path).appoint(short)

    assert a_store(tmp_path).administrator is None


def test_a_production_store_takes_no_key_without_an_administrator(tmp_path: Path) -> None:
    with pytest.raises(AdministrationRefused, match="no administrator"):
        a_store(tmp_path, "production").add({LOAD: SECRET}, test=False)

    assert administered(tmp_path, "production").entry(LOAD).test is False


def test_every_flipped_bit_of_a_signed_store_is_refused(tmp_path: Path) -> None:
    administered(tmp_path)
    path = tmp_path / STORE_FILE
    content = path.read_bytes()

    for bit in range(len(content) * 8):
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        with pytest.raises(KeyStoreDamaged):
            a_store(tmp_path)


@pytest.mark.parametrize(
    "signature",
    [
        pytest.param(b"", id="none"),
        pytest.param(b"00" * 64 + b"\n", id="zeros"),
        pytest.param(appoint(PASSPHRASE).sign(b"anything").hex().encode() + b"\n", id="somebody else's"),
    ],
)
def test_who_has_the_files_alone_cannot_change_a_state(tmp_path: Path, signature: bytes) -> None:
    administered(tmp_path)
    seal = catalogue_seal(tmp_path)
    body = (tmp_path / STORE_FILE).read_bytes().splitlines()[0].replace(b'"active"', b'"retired"')

    (tmp_path / STORE_FILE).write_bytes(
        body + b"\n" + seal.close(b"", body).hex().encode() + b"\n" + signature
    )

    with pytest.raises(KeyStoreDamaged, match="without its administrator"):
        a_store(tmp_path)


def test_a_signature_of_nobody_known_is_refused(tmp_path: Path) -> None:
    a_store(tmp_path).add({LOAD: SECRET}, test=False)
    with (tmp_path / STORE_FILE).open("ab") as file:
        file.write(b"00" * 64 + b"\n")

    with pytest.raises(KeyStoreDamaged, match="nobody known"):
        a_store(tmp_path)


def test_an_administrator_who_was_replaced_meanwhile_changes_nothing(tmp_path: Path) -> None:
    store = administered(tmp_path)
    other = a_store(tmp_path)
    other.unlock(PASSPHRASE)
    other.appoint("a passphrase of the successor")

    with pytest.raises(AdministrationRefused):
        store.change_state(LOAD, KeyState.RETIRED)


def test_another_administrator_shows_by_the_fingerprint() -> None:
    first, second = (appoint(PASSPHRASE).record for _ in range(2))

    assert len(first.fingerprint) == 16
    assert first.fingerprint != second.fingerprint


def test_a_key_that_must_stay_is_marked_where_nobody_can_unmark_it(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    store.add({LOAD: SECRET}, test=False, exportable=False)
    sealed = store._keys[LOAD]
    unmarked = replace(sealed, entry=replace(sealed.entry, exportable=True))
    content = catalogue.write(catalogue.Catalogue(1, (unmarked,)), catalogue_seal(tmp_path))
    (tmp_path / STORE_FILE).write_bytes(content)

    assert store.entry(LOAD).exportable is False
    with pytest.raises(KeyStoreDamaged):
        a_store(tmp_path).opened(LOAD)


def test_neither_passphrase_nor_signing_key_stands_in_the_files(tmp_path: Path) -> None:
    store = administered(tmp_path)
    assert store._administrator is not None
    private = store._administrator._key.private_bytes_raw()

    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())

    assert PASSPHRASE.encode() not in content
    assert private not in content
    assert private.hex().encode() not in content
    assert PASSPHRASE not in repr(store._administrator)


def test_the_catalogue_says_who_its_administrator_is(tmp_path: Path) -> None:
    record = administered(tmp_path).administrator

    stored = json.loads((tmp_path / STORE_FILE).read_bytes().splitlines()[0])

    assert record is not None
    assert stored["administrator"]["public"] == record.public.hex()
