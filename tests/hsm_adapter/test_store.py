from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ota.card.keys import Algorithm, KeyRole
from ota.hsm_adapter.errors import (
    KeyNotUsable,
    KeyRefused,
    KeyStoreDamaged,
    KeyUnknown,
    TestKeysInProduction,
)
from ota.hsm_adapter.keys import KeyRef, KeyState
from ota.hsm_adapter.signing import Es256Signer
from ota.hsm_adapter.software import KeyStore
from ota.hsm_adapter.software.catalogue import FORMAT, Catalogue, write
from ota.hsm_adapter.software.kek import seals
from ota.hsm_adapter.software.published import globalplatform_key, sandbox_master
from ota.hsm_adapter.software.store import STORE_FILE
from ota.hsm_adapter.software.witness import WITNESS_FILE
from ota.hsm_adapter.test_keys import provision_test_keys
from tests.hsm_adapter.keyring import key_ref

SECRET = bytes.fromhex("8A3C5D1F90B7E2466BD10E94F7A2C358")
LOAD = key_ref(KeyRole.LOAD)
TAC = key_ref(KeyRole.TAC)


def a_store(folder: Path, environment: str = "sandbox") -> KeyStore:
    return KeyStore(folder / "hsm", environment=environment)


def with_a_key(folder: Path) -> KeyStore:
    store = a_store(folder)
    store.add({LOAD: SECRET}, test=False)
    return store


def test_a_stored_key_comes_back_in_another_process(tmp_path: Path) -> None:
    with_a_key(tmp_path)

    again = a_store(tmp_path)

    assert again.opened(LOAD) == SECRET
    assert [(entry.ref, entry.state, entry.test) for entry in again.entries()] == [
        (LOAD, KeyState.ACTIVE, False)
    ]


def test_a_new_store_is_empty_and_knows_no_key(tmp_path: Path) -> None:
    store = a_store(tmp_path)

    assert store.entries() == []
    with pytest.raises(KeyUnknown):
        store.opened(LOAD)


def test_what_another_process_added_is_taken_over(tmp_path: Path) -> None:
    store, other = with_a_key(tmp_path), a_store(tmp_path)
    other.add({TAC: SECRET}, test=False)

    store.refresh()

    assert store.opened(TAC) == SECRET
    assert store.generation == 2


def test_nothing_of_the_folder_is_readable_by_others(tmp_path: Path) -> None:
    with_a_key(tmp_path)

    modes = {path.name: path.stat().st_mode & 0o077 for path in (tmp_path / "hsm").iterdir()}

    assert modes == {"kek": 0, "keys": 0, "generation": 0, "lock": 0}


def test_no_key_stands_in_the_files(tmp_path: Path) -> None:
    with_a_key(tmp_path)

    content = b"".join(path.read_bytes() for path in (tmp_path / "hsm").iterdir())

    assert SECRET not in content
    assert SECRET.hex().encode() not in content.lower()


@pytest.mark.parametrize("name", [STORE_FILE, WITNESS_FILE, "kek"])
def test_every_flipped_bit_is_refused(tmp_path: Path, name: str) -> None:
    with_a_key(tmp_path)
    path = tmp_path / "hsm" / name
    content = path.read_bytes()

    for bit in range(len(content) * 8):
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        with pytest.raises(KeyStoreDamaged):
            a_store(tmp_path)


@pytest.mark.parametrize("name", [STORE_FILE, WITNESS_FILE, "kek"])
def test_a_cut_file_is_refused(tmp_path: Path, name: str) -> None:
    with_a_key(tmp_path)
    path = tmp_path / "hsm" / name
    content = path.read_bytes()

    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(KeyStoreDamaged):
            a_store(tmp_path)


@pytest.mark.parametrize("name", [STORE_FILE, WITNESS_FILE])
def test_a_missing_file_is_refused(tmp_path: Path, name: str) -> None:
    with_a_key(tmp_path)

    (tmp_path / "hsm" / name).unlink()

    with pytest.raises(KeyStoreDamaged, match="missing"):
        a_store(tmp_path)


def test_an_old_copy_put_back_is_refused(tmp_path: Path) -> None:
    store = with_a_key(tmp_path)
    path = tmp_path / "hsm" / STORE_FILE
    old = path.read_bytes()
    store.change_state(LOAD, KeyState.RETIRED)

    path.write_bytes(old)

    with pytest.raises(KeyStoreDamaged, match="rolled back"):
        a_store(tmp_path)


def test_a_crash_between_the_store_and_its_record_is_healed(tmp_path: Path) -> None:
    store = with_a_key(tmp_path)
    record = tmp_path / "hsm" / WITNESS_FILE
    before = record.read_bytes()
    store.add({TAC: SECRET}, test=False)
    record.write_bytes(before)

    assert a_store(tmp_path).generation == 2
    assert record.read_bytes() != before


def test_a_crash_before_the_first_store_is_written_is_healed(tmp_path: Path) -> None:
    with_a_key(tmp_path)
    (_, _, witness_seal) = seals(tmp_path / "hsm", "key", "catalogue", "generation")
    (tmp_path / "hsm" / STORE_FILE).unlink()
    (tmp_path / "hsm" / WITNESS_FILE).write_bytes(witness_seal.close(bytes(8), b""))

    assert with_a_key(tmp_path).generation == 1


def test_a_key_is_not_exchanged_for_another(tmp_path: Path) -> None:
    store = with_a_key(tmp_path)
    store.add({TAC: bytes(reversed(SECRET))}, test=False)
    _, seal, _ = seals(tmp_path / "hsm", "key", "catalogue", "generation")
    body = json.loads((tmp_path / "hsm" / STORE_FILE).read_bytes().splitlines()[0])
    first, second = body["keys"]
    first["key"], second["key"] = second["key"], first["key"]
    raw = json.dumps(body, separators=(",", ":")).encode()
    (tmp_path / "hsm" / STORE_FILE).write_bytes(raw + b"\n" + seal.close(b"", raw).hex().encode() + b"\n")
    opened = a_store(tmp_path)

    with pytest.raises(KeyStoreDamaged):
        opened.opened(LOAD)


def test_a_store_of_a_later_format_is_refused(tmp_path: Path) -> None:
    with_a_key(tmp_path)
    _, seal, _ = seals(tmp_path / "hsm", "key", "catalogue", "generation")
    later = write(Catalogue(1, ()), seal).replace(FORMAT.encode(), b"ota-keys-2").splitlines()[0]
    (tmp_path / "hsm" / STORE_FILE).write_bytes(later + b"\n" + seal.close(b"", later).hex().encode() + b"\n")

    with pytest.raises(KeyStoreDamaged, match="format"):
        a_store(tmp_path)


def test_a_kek_that_others_may_read_is_refused(tmp_path: Path) -> None:
    with_a_key(tmp_path)

    (tmp_path / "hsm" / "kek").chmod(0o640)

    with pytest.raises(KeyStoreDamaged, match="0600"):
        a_store(tmp_path)


def test_a_name_is_taken_once(tmp_path: Path) -> None:
    store = with_a_key(tmp_path)

    with pytest.raises(KeyRefused, match="taken"):
        store.add({TAC: SECRET, LOAD: SECRET}, test=False)

    assert [entry.ref for entry in store.entries()] == [LOAD]


@pytest.mark.parametrize("length", [0, 8, 15, 17, 24])
def test_a_key_of_another_length_is_refused(tmp_path: Path, length: int) -> None:
    with pytest.raises(KeyRefused, match="16 bytes"):
        a_store(tmp_path).add({LOAD: SECRET.ljust(32, b"\x01")[:length]}, test=True)


WEAK: Mapping[str, tuple[Algorithm, str]] = {
    "zeros": (Algorithm.SM4, "00" * 16),
    "ones": (Algorithm.AES256, "FF" * 32),
    "single DES": (Algorithm.TDES, "8A3C5D1F90B7E246" * 2),
    "single DES but for parity": (Algorithm.TDES, "8A3C5D1F90B7E246" + "8B3D5C1E91B6E347"),
    "weak left half": (Algorithm.TDES, "0101010101010101" + "8A3C5D1F90B7E246"),
    "weak right half without parity": (Algorithm.TDES, "8A3C5D1F90B7E246" + "00FE00FE00FE00FE"),
    "semi-weak": (Algorithm.TDES, "1FE01FE00EF10EF1" + "8A3C5D1F90B7E246"),
}
PUBLISHED: Mapping[str, tuple[Algorithm, str]] = {
    "GlobalPlatform": (Algorithm.TDES, globalplatform_key(Algorithm.TDES).hex()),
    "GlobalPlatform, AES-256": (Algorithm.AES256, globalplatform_key(Algorithm.AES256).hex()),
    "sandbox": (Algorithm.SM4, sandbox_master(KeyRole.LOAD, Algorithm.SM4).hex()),
    "sandbox of another role": (Algorithm.AES192, sandbox_master(KeyRole.SD_DEK, Algorithm.AES192).hex()),
    "vector": (Algorithm.TDES, "374598B5C0B0EAE1E1D06609AC5BB369"),
}


@pytest.mark.parametrize("name", [*WEAK, *PUBLISHED])
@pytest.mark.parametrize("environment", ["sandbox", "production"])
def test_a_weak_or_published_key_does_not_pass_for_a_secret(
    tmp_path: Path, name: str, environment: str
) -> None:
    algorithm, key = {**WEAK, **PUBLISHED}[name]
    ref = KeyRef(KeyRole.SPARE, "province", 1, algorithm)

    with pytest.raises(KeyRefused) as refusal:
        a_store(tmp_path, environment).add({ref: bytes.fromhex(key)}, test=False)

    assert key.lower() not in str(refusal.value).lower()


def test_a_weak_key_may_be_a_marked_test_key(tmp_path: Path) -> None:
    (entry,) = a_store(tmp_path).add({LOAD: b"\xff" * 16}, test=True)

    assert entry.test


def test_test_keys_do_not_enter_a_production_store(tmp_path: Path) -> None:
    with pytest.raises(TestKeysInProduction):
        a_store(tmp_path, "production").add({LOAD: SECRET}, test=True)


def test_a_store_with_test_keys_is_refused_in_production(tmp_path: Path) -> None:
    provision_test_keys(a_store(tmp_path))

    with pytest.raises(TestKeysInProduction, match="production"):
        a_store(tmp_path, "production")


@pytest.mark.parametrize(
    ("path", "possible"),
    [
        ((KeyState.VERIFY_ONLY, KeyState.RETIRED), True),
        ((KeyState.RETIRED,), True),
        ((KeyState.ACTIVE,), False),
        ((KeyState.PRE_ACTIVE,), False),
        ((KeyState.VERIFY_ONLY, KeyState.ACTIVE), False),
        ((KeyState.RETIRED, KeyState.VERIFY_ONLY), False),
    ],
)
def test_a_key_only_moves_on_in_its_life(
    tmp_path: Path, path: tuple[KeyState, ...], *, possible: bool
) -> None:
    store = with_a_key(tmp_path)
    *before, last = path
    for state in before:
        store.change_state(LOAD, state)

    if not possible:
        with pytest.raises(KeyNotUsable):
            store.change_state(LOAD, last)
        return
    store.change_state(LOAD, last)

    assert a_store(tmp_path).entry(LOAD).state is last
    assert a_store(tmp_path).opened(LOAD) == SECRET


def test_the_state_of_an_unknown_key_is_not_changed(tmp_path: Path) -> None:
    with pytest.raises(KeyUnknown):
        a_store(tmp_path).change_state(LOAD, KeyState.RETIRED)


def test_stores_that_change_at_once_lose_nothing(tmp_path: Path) -> None:
    refs = [key_ref(KeyRole.LOAD, version=version) for version in range(24)]
    stores = [a_store(tmp_path) for _ in range(4)]

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: stores[n % 4].add({refs[n]: SECRET}, test=False), range(24)))

    assert {entry.ref for entry in a_store(tmp_path).entries()} == set(refs)


def test_processes_that_start_at_once_agree_on_one_kek(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        stores = list(pool.map(lambda _: a_store(tmp_path), range(8)))
    stores[0].add({LOAD: SECRET}, test=False)

    for store in stores:
        store.refresh()

    assert [store.opened(LOAD) for store in stores] == [SECRET] * 8
    assert sorted(path.name for path in (tmp_path / "hsm").iterdir()) == ["generation", "kek", "keys", "lock"]


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("kek", a_store),
        (STORE_FILE, with_a_key),
        (WITNESS_FILE, with_a_key),
        ("signing-key", lambda folder: Es256Signer.open(folder / "hsm")),
    ],
)
def test_what_a_process_that_died_left_is_swept_away(
    tmp_path: Path, name: str, make: Callable[[Path], object]
) -> None:
    (tmp_path / "hsm").mkdir()
    left = tmp_path / "hsm" / f"{name}.0a1b2c3d.new"
    left.write_bytes(bytes(32))

    make(tmp_path)

    assert not left.exists()
    assert (tmp_path / "hsm" / name).exists()


def killed(*_: object) -> None:
    """What a process that is killed does next."""
    raise KeyboardInterrupt


def test_a_process_killed_while_it_makes_its_kek_leaves_no_copy_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hsm").mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            a_store(tmp_path)
    candidates = {path.read_bytes() for path in (tmp_path / "hsm").glob("kek.*")}

    with_a_key(tmp_path)

    assert sorted(path.name for path in (tmp_path / "hsm").iterdir()) == ["generation", "kek", "keys", "lock"]
    assert (tmp_path / "hsm" / "kek").read_bytes() not in candidates


def test_a_store_and_its_lines_show_no_key(tmp_path: Path) -> None:
    store = with_a_key(tmp_path)

    shown = repr(store) + repr(store.entries()) + repr(store._keys) + repr(store._key_seal)

    assert SECRET.hex() not in shown.lower()
    assert "KeyStore(1 keys, generation 1)" in shown
