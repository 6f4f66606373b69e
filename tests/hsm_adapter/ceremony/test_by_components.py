"""A key comes in by components: from different officers, in time, and none of them learns the key."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import reduce
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ota.card.keys import Algorithm, KeyRole
from ota.hsm_adapter.ceremony.ceremony import ComponentCeremony
from ota.hsm_adapter.ceremony.components import combined
from ota.hsm_adapter.ceremony.errors import CeremonyExpired, CeremonyRefused
from ota.hsm_adapter.errors import KeyRefused, TestKeysInProduction
from ota.hsm_adapter.keys import KeyRef, KeyState
from ota.hsm_adapter.software import KeyStore
from ota.hsm_adapter.software.ciphers import check_value
from ota.hsm_adapter.software.published import globalplatform_key, sandbox_master
from tests.hsm_adapter.keyring import key_ref

FIRST = bytes.fromhex("8A3C5D1F90B7E2466BD10E94F7A2C358")
SECOND = bytes.fromhex("17E4C09B3D528F6AA1B64D02E95F7C83")
THIRD = bytes.fromhex("C2957B301EFA46D8590F8AE37D1462B4")
LOAD = key_ref(KeyRole.LOAD, version=2)
TWO = ("Chen", "Liang")


class Hands:
    """A clock that is put forward by hand."""

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 3, 9, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time


def ceremony(*officers: str, ref: KeyRef = LOAD, clock: Hands | None = None) -> ComponentCeremony:
    return ComponentCeremony(ref, officers or TWO, clock or Hands())


def xor(*values: bytes) -> bytes:
    return reduce(lambda left, right: bytes(a ^ b for a, b in zip(left, right, strict=True)), values)


@pytest.mark.parametrize("parts", [(FIRST, SECOND), (FIRST, SECOND, THIRD)], ids=["two", "three"])
def test_the_key_is_the_xor_of_what_the_officers_gave(tmp_path: Path, parts: tuple[bytes, ...]) -> None:
    store = KeyStore(tmp_path, environment="sandbox")
    with ceremony(*("Chen", "Liang", "Huang")[: len(parts)]) as running:
        for part in parts:
            running.give(part.hex())
        announced = running.kcv()

        entry = running.store(store)

    assert store.opened(LOAD) == xor(*parts)
    assert entry.kcv == announced == check_value(Algorithm.TDES, xor(*parts))
    assert (entry.state, entry.test, entry.exportable) == (KeyState.PRE_ACTIVE, False, False)


@given(st.lists(st.binary(min_size=16, max_size=16), min_size=2, max_size=3))
def test_any_component_left_out_leaves_another_key(parts: list[bytes]) -> None:
    whole = combined([bytearray(part) for part in parts])

    assert whole == xor(*parts)
    assert xor(bytes(whole), *parts) == bytes(16)


def test_each_component_is_answered_with_its_check_value() -> None:
    with ceremony() as running:
        given_first = running.give(" 8a3c 5d1f 90b7 e246-6bd1 0e94 f7a2 c358 ")

    assert (given_first.officer, given_first.kcv) == ("Chen", check_value(Algorithm.TDES, FIRST))


@pytest.mark.parametrize("algorithm", [Algorithm.SM4, Algorithm.AES128, Algorithm.AES192, Algorithm.AES256])
def test_keys_of_every_algorithm_come_in(tmp_path: Path, algorithm: Algorithm) -> None:
    ref = KeyRef(KeyRole.SPARE, "province", 1, algorithm)
    parts = [(part * 2)[: algorithm.key_length] for part in (FIRST, SECOND)]
    with ceremony(ref=ref) as running:
        for part in parts:
            running.give(part.hex())

        entry = running.store(KeyStore(tmp_path, environment="sandbox"))

    assert entry.kcv == check_value(algorithm, xor(*parts))


@pytest.mark.parametrize(
    "text", ["", "00", FIRST.hex() + "0", FIRST.hex() + "00", "G" * 32, FIRST.hex()[:-1] + "\u0660"]
)
def test_a_malformed_component_is_refused_and_not_repeated(text: str) -> None:
    with ceremony() as running, pytest.raises(CeremonyRefused, match="32 hexadecimal digits") as refusal:
        running.give(text)

    assert FIRST.hex()[:8] not in str(refusal.value)


@pytest.mark.parametrize("byte", [0x00, 0x01, 0xFF])
def test_a_component_that_hides_nothing_is_refused(byte: int) -> None:
    with ceremony() as running, pytest.raises(CeremonyRefused, match="weak"):
        running.give(bytes([byte] * 16).hex())


def test_equal_components_are_refused_and_another_one_may_follow(tmp_path: Path) -> None:
    with ceremony("Chen", "Liang", "Huang") as running:
        running.give(FIRST.hex())
        running.give(SECOND.hex())
        with pytest.raises(CeremonyRefused, match="equals an earlier one"):
            running.give(FIRST.hex())
        running.give(THIRD.hex())

        assert running.store(KeyStore(tmp_path, environment="sandbox")).ref == LOAD


def test_a_component_with_the_wrong_check_value_is_taken_back(tmp_path: Path) -> None:
    store = KeyStore(tmp_path, environment="sandbox")
    with ceremony() as running:
        running.give(THIRD.hex())
        running.take_back()
        running.give(FIRST.hex())
        running.give(SECOND.hex())

        running.store(store)

    assert store.opened(LOAD) == xor(FIRST, SECOND)
    assert [each.officer for each in running.given] == ["Chen", "Liang"]


@pytest.mark.parametrize(
    "officers",
    [
        pytest.param(("Chen",), id="alone"),
        pytest.param(("Chen", "Liang", "Huang", "Zhou"), id="four"),
        pytest.param(("Chen", " "), id="nameless"),
        pytest.param(("Chen", "chen"), id="twice the same"),
        pytest.param(("Chen Wei", "Chen  wei "), id="the same but for spaces"),
    ],
)
def test_two_or_three_different_officers_are_needed(officers: tuple[str, ...]) -> None:
    with pytest.raises(CeremonyRefused):
        ceremony(*officers)


def test_a_missing_component_makes_no_key(tmp_path: Path) -> None:
    store = KeyStore(tmp_path, environment="sandbox")
    with ceremony() as running:
        running.give(FIRST.hex())
        with pytest.raises(CeremonyRefused, match="missing"):
            running.kcv()
        with pytest.raises(CeremonyRefused, match="missing"):
            running.store(store)

    assert store.entries() == []


def test_there_is_no_component_more_than_officers() -> None:
    with ceremony() as running:
        running.give(FIRST.hex())
        running.give(SECOND.hex())
        with pytest.raises(CeremonyRefused, match="Every officer"):
            running.give(THIRD.hex())


@pytest.mark.parametrize("components", [0, 1, 2])
def test_after_the_time_limit_nothing_is_taken_and_everything_is_wiped(
    tmp_path: Path, components: int
) -> None:
    clock, store = Hands(), KeyStore(tmp_path, environment="sandbox")
    with ceremony(clock=clock) as running:
        for part in (FIRST, SECOND)[:components]:
            running.give(part.hex())
        buffers = list(running._components)
        clock.time += timedelta(minutes=15, seconds=1)

        with pytest.raises(CeremonyExpired):
            running.store(store) if components == 2 else running.give(THIRD.hex())

    assert store.entries() == []
    assert [bytes(buffer) for buffer in buffers] == [bytes(16)] * components


def test_the_last_second_still_counts(tmp_path: Path) -> None:
    clock = Hands()
    with ceremony(clock=clock) as running:
        running.give(FIRST.hex())
        running.give(SECOND.hex())
        clock.time += timedelta(minutes=15)

        assert running.store(KeyStore(tmp_path, environment="sandbox")).ref == LOAD


def test_the_components_are_wiped_when_a_ceremony_is_left() -> None:
    with ceremony() as running:
        running.give(FIRST.hex())
        (buffer,) = running._components

    assert buffer == bytes(16)


HALF = FIRST[:8] + FIRST[:8]


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(HALF, id="K1 = K2"),
        pytest.param(b"\x01" * 16, id="weak"),
        pytest.param(globalplatform_key(Algorithm.TDES), id="published by GlobalPlatform"),
        pytest.param(sandbox_master(KeyRole.LOAD, Algorithm.TDES), id="published by the sandbox"),
    ],
)
def test_components_that_make_a_weak_or_published_key_are_refused(tmp_path: Path, key: bytes) -> None:
    store = KeyStore(tmp_path, environment="production")
    with ceremony() as running:
        running.give(FIRST.hex())
        running.give(xor(FIRST, key).hex())
        with pytest.raises(KeyRefused) as refusal:
            running.store(store)

    assert store.entries() == []
    assert key.hex() not in str(refusal.value).lower()


def test_a_key_marked_as_test_does_not_enter_production(tmp_path: Path) -> None:
    with ceremony() as running:
        running.give(FIRST.hex())
        running.give(SECOND.hex())

        with pytest.raises(TestKeysInProduction):
            running.store(KeyStore(tmp_path, environment="production"), test=True)


def test_a_ceremony_shows_no_component() -> None:
    with ceremony() as running:
        running.give(FIRST.hex())

        assert repr(running) == "ComponentCeremony(province/load/2/3DES, 1 of 2 components)"
        assert FIRST.hex() not in repr(running.given).lower()
