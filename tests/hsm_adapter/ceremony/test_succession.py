"""A key store of another administrator, or of none, is refused where the administrator is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ota.card.keys import KeyRole
from ota.hsm_adapter.errors import KeyStoreDamaged
from ota.hsm_adapter.keys import KeyState
from ota.hsm_adapter.software import KeyStore, catalogue
from ota.hsm_adapter.software.administration import Administrator, appoint
from ota.hsm_adapter.software.catalogue import Catalogue
from ota.hsm_adapter.software.kek import seals
from ota.hsm_adapter.software.store import STORE_FILE
from ota.hsm_adapter.software.succession import Endorsement, check_succession, endorse
from tests.hsm_adapter.keyring import key_ref

SECRET = bytes.fromhex("8A3C5D1F90B7E2466BD10E94F7A2C358")
LOAD, TAC = key_ref(KeyRole.LOAD), key_ref(KeyRole.TAC)
FIRST, SECOND, THIRD = "seven horses graze at dusk", "four herons fish at dawn", "nine lanterns over the bay"


def administered(folder: Path) -> KeyStore:
    store = KeyStore(folder, environment="sandbox")
    store.appoint(FIRST)
    store.add({LOAD: SECRET}, test=False)
    return store


def public_of(store: KeyStore) -> bytes:
    assert store.administrator is not None
    return store.administrator.public


def held_to(folder: Path, administrator: bytes) -> KeyStore:
    return KeyStore(folder, environment="sandbox", administrator=administrator)


def rewritten(folder: Path, administrator: Administrator | None) -> None:
    """What who holds the key-encryption key can do: the same keys in a catalogue of another administrator."""
    (seal,) = seals(folder, "catalogue")
    present = catalogue.read((folder / STORE_FILE).read_bytes(), seal)
    record = administrator.record if administrator else None
    changed = replace(present, administrator=record, generation=present.generation + 1)
    (folder / STORE_FILE).write_bytes(catalogue.write(changed, seal, administrator))


def test_the_administrator_who_is_named_is_taken(tmp_path: Path) -> None:
    public = public_of(administered(tmp_path))

    assert held_to(tmp_path, public).opened(LOAD) == SECRET


@pytest.mark.parametrize("other", [None, appoint(SECOND)], ids=["nobody", "another"])
def test_a_catalogue_of_nobody_or_another_is_refused(tmp_path: Path, other: Administrator | None) -> None:
    public = public_of(administered(tmp_path))
    rewritten(tmp_path, other)

    with pytest.raises(KeyStoreDamaged, match="administrator"):
        held_to(tmp_path, public)


@pytest.mark.parametrize("other", [None, appoint(SECOND)], ids=["nobody", "another"])
def test_a_server_at_work_takes_no_state_from_another_administrator(
    tmp_path: Path, other: Administrator | None
) -> None:
    server = administered(tmp_path)
    generation = server.generation
    rewritten(tmp_path, other)

    with pytest.raises(KeyStoreDamaged, match="administrator"):
        server.refresh()

    assert server.generation == generation
    assert server.entry(LOAD).state is KeyState.ACTIVE


def test_an_empty_folder_is_not_the_named_administrators(tmp_path: Path) -> None:
    with pytest.raises(KeyStoreDamaged, match="no administrator"):
        held_to(tmp_path, appoint(FIRST).record.public)


def test_successors_are_taken_without_a_change_of_configuration(tmp_path: Path) -> None:
    store = administered(tmp_path)
    first = public_of(store)
    server = held_to(tmp_path, first)
    store.appoint(SECOND)
    second = public_of(store)
    store.appoint(THIRD)

    server.refresh()

    assert public_of(server) == public_of(store)
    for known in (first, second, public_of(store)):
        assert held_to(tmp_path, known).opened(LOAD) == SECRET


def test_a_predecessor_is_not_taken_where_the_successor_is_known(tmp_path: Path) -> None:
    store = administered(tmp_path)
    predecessor = store._administrator
    store.appoint(SECOND)
    successor = public_of(store)
    rewritten(tmp_path, predecessor)

    with pytest.raises(KeyStoreDamaged, match="or a successor is expected"):
        held_to(tmp_path, successor)


def test_a_line_with_a_forged_step_leads_nowhere() -> None:
    first, second = appoint(FIRST), appoint(SECOND)
    lawful = endorse(first, second.record)
    forged = Endorsement(lawful.by, lawful.of, bytes(64))

    check_succession(second.record, (lawful,), first.record.public)
    with pytest.raises(KeyStoreDamaged):
        check_succession(second.record, (forged,), first.record.public)


def test_production_uses_no_keys_that_nobody_administers(tmp_path: Path) -> None:
    KeyStore(tmp_path, environment="sandbox").add({TAC: SECRET}, test=False)

    with pytest.raises(KeyStoreDamaged, match="no administrator"):
        KeyStore(tmp_path, environment="production")


def test_a_catalogue_keeps_its_line(tmp_path: Path) -> None:
    store = administered(tmp_path)
    store.appoint(SECOND)
    (seal,) = seals(tmp_path, "catalogue")

    kept = catalogue.read((tmp_path / STORE_FILE).read_bytes(), seal)

    assert isinstance(kept, Catalogue)
    assert [(step.of, step.holds) for step in kept.succession] == [(public_of(store), True)]
