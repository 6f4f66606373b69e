"""Keys that come and go in TR-31 blocks: only as what they are, only under a transport key that may."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from psec import tr31 as psec

from ota.card.keys import Algorithm, KeyRole
from ota.core.errors import InvalidValue
from ota.hsm_adapter import tr31
from ota.hsm_adapter.ceremony.key_blocks import Protection, export_block, header_of, import_block
from ota.hsm_adapter.errors import (
    AlgorithmNotSupported,
    KeyMisuse,
    KeyNotUsable,
    KeyRefused,
    KeyUnknown,
)
from ota.hsm_adapter.keys import KeyRef, KeyState
from ota.hsm_adapter.ports import KeyEntry
from ota.hsm_adapter.software import KeyStore
from ota.hsm_adapter.software.published import sandbox_master
from ota.hsm_adapter.tr31 import KeyBlockRefused
from tests.hsm_adapter.keyring import key_ref

SECRET = bytes.fromhex("8A3C5D1F90B7E2466BD10E94F7A2C35817E4C09B3D528F6AA1B64D02E95F7C83")
TRANSPORT_KEY = bytes.fromhex("C2957B301EFA46D8590F8AE37D1462B41726354453627180A9B8C7D6E5F40312")
TRANSPORT = KeyRef(KeyRole.TRANSPORT, "foshan", 1, Algorithm.AES256)
LOAD = key_ref(KeyRole.LOAD)


def a_store(folder: Path) -> KeyStore:
    """A store with a transport key and a load key."""
    store = KeyStore(folder, environment="sandbox")
    store.add({TRANSPORT: TRANSPORT_KEY, LOAD: SECRET[:16]}, test=False)
    return store


def another_store(folder: Path) -> KeyStore:
    """A partner's store: only the transport key."""
    store = KeyStore(folder / "partner", environment="sandbox")
    store.add({TRANSPORT: TRANSPORT_KEY}, test=False)
    return store


def sent(store: KeyStore, ref: KeyRef, under: KeyRef = TRANSPORT, exportability: str = "N") -> str:
    return export_block(store, Protection(store, under), ref, exportability=exportability)


def taken_in(store: KeyStore, block: str, ref: KeyRef, state: KeyState = KeyState.PRE_ACTIVE) -> KeyEntry:
    return import_block(store, Protection(store, TRANSPORT), block, ref, state=state)


ALL = [
    KeyRef(role, "province", 7, algorithm)
    for role in KeyRole
    if role is not KeyRole.TRANSPORT
    for algorithm in Algorithm
]


@pytest.mark.parametrize("ref", ALL, ids=str)
def test_a_key_of_every_role_and_algorithm_reaches_a_partner_as_what_it_is(
    tmp_path: Path, ref: KeyRef
) -> None:
    ours, theirs = a_store(tmp_path), another_store(tmp_path)
    ours.add({ref: SECRET[: ref.algorithm.key_length]}, test=False)

    entry = taken_in(theirs, sent(ours, ref), ref)

    assert theirs.opened(ref) == SECRET[: ref.algorithm.key_length]
    assert (entry.kcv, entry.state, entry.exportable) == (
        ours.entry(ref).kcv,
        KeyState.PRE_ACTIVE,
        False,
    )


def test_the_reference_reads_an_exported_block(tmp_path: Path) -> None:
    block = sent(a_store(tmp_path), LOAD, exportability="E")

    header, key = psec.unwrap(TRANSPORT_KEY, block)

    assert key == SECRET[:16]
    assert (header.key_usage, header.algorithm, header.mode_of_use) == ("E0", "T", "X")
    assert (header.version_num, header.exportability) == ("01", "E")
    assert header.blocks["LB"] == "province/load/1/3DES"


def test_a_block_of_another_maker_needs_no_label_and_no_version(tmp_path: Path) -> None:
    header = psec.Header("D", "E0", "T", "X", "00", "S")

    entry = taken_in(another_store(tmp_path), psec.wrap(TRANSPORT_KEY, header, SECRET[:16]), LOAD)

    assert entry.exportable


@pytest.mark.parametrize(
    ("ref", "change"),
    [
        pytest.param(LOAD, {"usage": "E2"}, id="usage"),
        pytest.param(LOAD, {"algorithm": "A"}, id="algorithm"),
        pytest.param(LOAD, {"mode": "N"}, id="mode"),
        pytest.param(LOAD, {"version": "02"}, id="version"),
        pytest.param(LOAD, {"version": "c1"}, id="a component"),
        pytest.param(LOAD, {"exportability": "Z"}, id="exportability"),
        pytest.param(LOAD, {"optional": (("LB", "province/tac/1/3DES"),)}, id="label"),
        pytest.param(key_ref(KeyRole.TAC), {}, id="another role of the same usage"),
        pytest.param(key_ref(KeyRole.LOAD, version=2), {}, id="another version"),
        pytest.param(key_ref(KeyRole.LOAD, Algorithm.SM4), {}, id="another algorithm"),
    ],
)
def test_a_block_of_another_key_is_refused(tmp_path: Path, ref: KeyRef, change: dict[str, str]) -> None:
    header = replace(header_of(LOAD, "N"), **change)  # type: ignore[arg-type]  # a table's column
    store = another_store(tmp_path)

    with pytest.raises(KeyBlockRefused):
        taken_in(store, tr31.wrap(TRANSPORT_KEY, header, SECRET[:16]), ref)

    assert [entry.ref for entry in store.entries()] == [TRANSPORT]


@pytest.mark.parametrize("key", [SECRET[:8] * 2, SECRET[:24], sandbox_master(KeyRole.LOAD, Algorithm.TDES)])
def test_a_weak_published_or_overlong_key_in_a_block_is_refused(tmp_path: Path, key: bytes) -> None:
    block = tr31.wrap(TRANSPORT_KEY, header_of(LOAD, "N"), key)

    with pytest.raises(KeyRefused) as refusal:
        taken_in(another_store(tmp_path), block, LOAD)

    assert key.hex() not in str(refusal.value).lower()


def test_a_key_is_not_imported_twice(tmp_path: Path) -> None:
    store = a_store(tmp_path)

    with pytest.raises(KeyRefused, match="taken"):
        taken_in(store, sent(store, LOAD), LOAD)


def test_a_key_that_came_as_not_exportable_stays(tmp_path: Path) -> None:
    ours, theirs = a_store(tmp_path), another_store(tmp_path)
    taken_in(theirs, sent(ours, LOAD), LOAD)

    with pytest.raises(KeyRefused, match="may not leave"):
        sent(theirs, LOAD)


def test_a_transport_key_stays(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    other = replace(TRANSPORT, version=2)
    store.add({other: bytes(reversed(TRANSPORT_KEY))}, test=False)

    with pytest.raises(KeyRefused, match="may not leave"):
        sent(store, other)


def test_a_transport_key_comes_in_under_another(tmp_path: Path) -> None:
    other = replace(TRANSPORT, version=2)
    block = tr31.wrap(TRANSPORT_KEY, header_of(other, "N"), SECRET)

    entry = taken_in(a_store(tmp_path), block, other, state=KeyState.ACTIVE)

    assert (entry.ref, entry.state) == (other, KeyState.ACTIVE)


def test_a_retired_key_stays(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    store.change_state(LOAD, KeyState.RETIRED)

    with pytest.raises(KeyNotUsable):
        sent(store, LOAD)


@pytest.mark.parametrize("exportability", ["", "X", "n"])
def test_an_exportability_is_one_of_three(tmp_path: Path, exportability: str) -> None:
    with pytest.raises(InvalidValue):
        sent(a_store(tmp_path), LOAD, exportability=exportability)


def test_only_a_transport_key_protects_a_block(tmp_path: Path) -> None:
    with pytest.raises(KeyMisuse):
        sent(a_store(tmp_path), LOAD, under=LOAD)


def test_version_d_is_under_aes(tmp_path: Path) -> None:
    with pytest.raises(AlgorithmNotSupported):
        sent(a_store(tmp_path), LOAD, under=replace(TRANSPORT, algorithm=Algorithm.SM4))


def test_an_unknown_transport_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyUnknown, match="zhuhai/transport/1/AES-256"):
        sent(a_store(tmp_path), LOAD, under=replace(TRANSPORT, issuer="zhuhai"))


def test_a_transport_key_is_at_least_as_strong_as_what_it_protects(tmp_path: Path) -> None:
    weaker = replace(TRANSPORT, algorithm=Algorithm.AES128)
    ref = KeyRef(KeyRole.SD_ENC, "platform", 1, Algorithm.AES256)
    store = a_store(tmp_path)
    store.add({weaker: TRANSPORT_KEY[:16], ref: SECRET}, test=False)

    with pytest.raises(KeyRefused, match="too weak"):
        sent(store, ref, under=weaker)


@pytest.mark.parametrize(
    ("state", "in_", "out"),
    [
        (KeyState.PRE_ACTIVE, False, False),
        (KeyState.ACTIVE, True, True),
        (KeyState.VERIFY_ONLY, True, False),
        (KeyState.RETIRED, False, False),
    ],
)
def test_a_transport_key_works_as_its_state_allows(
    tmp_path: Path, state: KeyState, *, in_: bool, out: bool
) -> None:
    store = KeyStore(tmp_path, environment="sandbox")
    store.add({TRANSPORT: TRANSPORT_KEY}, test=False, state=state)
    store.add({LOAD: SECRET[:16]}, test=False)
    tac = key_ref(KeyRole.TAC)
    block = tr31.wrap(TRANSPORT_KEY, header_of(tac, "N"), SECRET[16:])
    works = {True: [], False: []}  # type: dict[bool, list[str]]

    for name, attempt in (
        ("in", lambda: taken_in(store, block, tac)),
        ("out", lambda: sent(store, LOAD)),
    ):
        try:
            attempt()
            works[True].append(name)
        except KeyNotUsable:
            works[False].append(name)

    assert ("in" in works[True], "out" in works[True]) == (in_, out)
