from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from ota.card.apdu import Command
from ota.card.keys import Algorithm, KeyRole
from ota.core.errors import InvalidValue
from ota.core.values import Mac4
from ota.hsm_adapter.errors import (
    AlgorithmNotSupported,
    ExposureRefused,
    HsmUnavailable,
    KeyMisuse,
    KeyNotUsable,
    KeyUnknown,
    TestKeysInProduction,
)
from ota.hsm_adapter.keys import CardKey, KeyRef, KeyState
from ota.hsm_adapter.ports import Exposure, KeyWriting, Operation
from ota.hsm_adapter.software import KeyStore, SoftwareHsm, cardkeys, ciphers
from ota.hsm_adapter.software import hsm as hsm_module
from ota.hsm_adapter.software.memory import PublishedKeys
from ota.hsm_adapter.software.probe import PROBED, probe, probe_keys
from ota.hsm_adapter.software.store import STORE_FILE
from ota.hsm_adapter.test_keys import provision_test_keys
from tests.hsm_adapter.elements import Case, Meeting
from tests.hsm_adapter.keyring import (
    MASTER,
    PATH,
    a_load,
    an_hsm,
    card_key,
    expected_mac2,
    expected_tac,
    key_ref,
)

SECRET = bytes.fromhex("8A3C5D1F90B7E2466BD10E94F7A2C358")
RANDOM = bytes.fromhex("1FB1F7C0")
BLOCK = Command(0x84, 0x1E, 0x00, 0x00)

OPERATIONS: dict[str, Callable[[SoftwareHsm, CardKey], object]] = {
    "authorise_load": lambda hsm, key: hsm.authorise_load(key, a_load()),
    "check_mac1": lambda hsm, key: hsm.check_mac1(key, a_load()),
    "verify_tac": lambda hsm, key: hsm.verify_tac(key, a_load(), expected_tac(Algorithm.TDES, a_load())),
    "secure_apdu": lambda hsm, key: hsm.secure_apdu(key, RANDOM, BLOCK),
    "external_auth": lambda hsm, key: hsm.external_auth(key, RANDOM),
    "write_key": lambda hsm, key: hsm.write_key(
        card_key(KeyRole.SPARE), key, RANDOM, KeyWriting(1, 1, bytes(4))
    ),
    "kcv": lambda hsm, key: hsm.kcv(key),
}
ALLOWED = {
    "authorise_load": {KeyRole.LOAD, KeyRole.LOAD_2},
    "check_mac1": {KeyRole.LOAD, KeyRole.LOAD_2},
    "verify_tac": {KeyRole.TAC},
    "kcv": set(KeyRole),
}
MESSAGING = set(KeyRole) - {
    KeyRole.LOAD,
    KeyRole.LOAD_2,
    KeyRole.PURCHASE,
    KeyRole.TAC,
    KeyRole.SD_ENC,
    KeyRole.SD_MAC,
    KeyRole.SD_DEK,
    KeyRole.TRANSPORT,
}


@pytest.mark.parametrize("role", KeyRole)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_key_does_only_what_its_role_is_for(operation: str, role: KeyRole) -> None:
    run = OPERATIONS[operation]

    if role in ALLOWED.get(operation, MESSAGING):
        run(an_hsm(), card_key(role))
        return

    with pytest.raises(KeyMisuse, match=role.value):
        run(an_hsm(), card_key(role))


@pytest.mark.parametrize("path", [(), PATH])
@pytest.mark.parametrize("operation", sorted(set(OPERATIONS) - {"kcv", "write_key"}))
def test_a_card_operation_knows_no_aes(operation: str, path: tuple[bytes, ...]) -> None:
    role = min(ALLOWED.get(operation, MESSAGING))
    ref = key_ref(role, Algorithm.AES128)
    hsm = SoftwareHsm(PublishedKeys({ref: MASTER}))

    with pytest.raises(AlgorithmNotSupported):
        OPERATIONS[operation](hsm, CardKey(ref, path))


def test_an_aes_key_has_a_check_value_but_no_levels() -> None:
    ref = KeyRef(KeyRole.SD_ENC, "gp-test", 0x30, Algorithm.AES128)
    hsm = SoftwareHsm(PublishedKeys({ref: bytes(range(0x40, 0x50))}))

    assert hsm.kcv(CardKey(ref, ())).hex() == "504a77"
    with pytest.raises(AlgorithmNotSupported):
        hsm.kcv(CardKey(ref, PATH))


@pytest.mark.parametrize("path", [(), PATH])
def test_an_unknown_version_is_an_error_and_another_is_not_tried(path: tuple[bytes, ...]) -> None:
    key = CardKey(key_ref(KeyRole.LOAD, version=2), path)

    with pytest.raises(KeyUnknown, match="province/load/2/3DES") as refusal:
        an_hsm().authorise_load(key, a_load())

    assert refusal.value.problem_code == "key_version_unknown"


@pytest.mark.parametrize(
    ("state", "may_make", "may_check"),
    [
        (KeyState.PRE_ACTIVE, False, False),
        (KeyState.ACTIVE, True, True),
        (KeyState.VERIFY_ONLY, False, True),
        (KeyState.RETIRED, False, False),
    ],
)
def test_a_keys_state_decides_what_it_still_does(
    tmp_path: Path, state: KeyState, *, may_make: bool, may_check: bool
) -> None:
    store = KeyStore(tmp_path, environment="sandbox")
    store.add({key_ref(KeyRole.LOAD): MASTER}, test=True, state=state)
    hsm, key, load = SoftwareHsm(store), card_key(KeyRole.LOAD), a_load()

    asked = (
        (may_make, lambda: hsm.authorise_load(key, load)),
        (may_make, lambda: hsm.require_authorising(key)),
        (may_check, lambda: hsm.check_mac1(key, load)),
    )
    for allowed, run in asked:
        if allowed:
            run()
        else:
            with pytest.raises(KeyNotUsable, match=state.value):
                run()


def test_a_retired_key_stops_working_at_once(tmp_path: Path) -> None:
    store = KeyStore(tmp_path, environment="sandbox")
    store.add({key_ref(KeyRole.LOAD): MASTER}, test=True)
    hsm, key, load = SoftwareHsm(store), card_key(KeyRole.LOAD), a_load()
    hsm.authorise_load(key, load)

    store.change_state(key_ref(KeyRole.LOAD), KeyState.RETIRED)

    with pytest.raises(KeyNotUsable):
        hsm.authorise_load(key, load)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_deployment_that_allows_no_exposure_gets_a_refusal(operation: str) -> None:
    keys = {key_ref(role): MASTER for role in KeyRole}
    hsm = SoftwareHsm(PublishedKeys(keys), maximum_exposure=Exposure.HALF_CARD_KEY)
    role = min(ALLOWED.get(operation, MESSAGING))

    with pytest.raises(ExposureRefused):
        OPERATIONS[operation](hsm, card_key(role))


def test_only_the_most_recent_cities_stay_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cardkeys, "_MAX_KEPT", 4)
    hsm = an_hsm()
    paths = [(bytes([city]) * 8, bytes(8)) for city in range(10)]

    loads = [a_load(path=path) for path in paths]
    answers = [
        hsm.authorise_load(card_key(KeyRole.LOAD, path=path), load)
        for path, load in zip(paths, loads, strict=True)
    ]

    assert answers == [
        expected_mac2(Algorithm.TDES, load, path=path) for path, load in zip(paths, loads, strict=True)
    ]
    assert len(hsm._keys._kept.contexts) <= 4


def test_card_keys_are_wiped_after_use(monkeypatch: pytest.MonkeyPatch) -> None:
    wiped: list[bytearray] = []

    def remember(*buffers: bytearray) -> None:
        wiped.extend(buffers)
        ciphers.wipe(*buffers)

    monkeypatch.setattr(hsm_module, "wipe", remember)
    hsm = an_hsm()

    hsm.authorise_load(card_key(KeyRole.LOAD), a_load())
    hsm.kcv(card_key(KeyRole.LOAD))

    assert [bytes(buffer) for buffer in wiped] == [bytes(16), bytes(16)]


@pytest.mark.parametrize("length", [1, 16, 1024])
def test_random_bytes_are_as_many_as_asked_for(length: int) -> None:
    assert len(an_hsm().random(length)) == length


@pytest.mark.parametrize("length", [0, -1, 1025])
def test_too_few_or_too_many_random_bytes_are_refused(length: int) -> None:
    with pytest.raises(InvalidValue):
        an_hsm().random(length)


def test_the_probe_finds_everything_working() -> None:
    capabilities = an_hsm().capabilities()

    assert set(capabilities.operations) == PROBED
    assert capabilities.backend == "software"
    assert capabilities.supports(Operation.AUTHORISE_LOAD, Algorithm.SM4)
    assert not capabilities.supports(Operation.OPEN_CHANNEL, Algorithm.SM4)


def test_the_probe_notices_every_key_that_is_another() -> None:
    other = {ref: bytes(reversed(key)) for ref, key in probe_keys().items()}
    other = {ref: key if len(set(key)) > 1 else bytes(range(16)) for ref, key in other.items()}

    assert probe(SoftwareHsm(PublishedKeys(other))) == frozenset()


class Agreeable(SoftwareHsm):
    """An HSM that finds every MAC right."""

    def check_mac1(self, key: CardKey, load: object) -> None:
        del key, load

    def verify_tac(self, key: CardKey, load: object, tac: Mac4) -> None:
        del key, load, tac


def test_the_probe_does_not_believe_an_hsm_that_accepts_every_mac() -> None:
    passed = probe(Agreeable(PublishedKeys(probe_keys())))

    refused = {operation for operation, _ in PROBED - passed}
    assert refused == {Operation.CHECK_MAC1, Operation.VERIFY_TAC}


def test_an_hsm_whose_probe_failed_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hsm_module, "probe", lambda _: frozenset())
    hsm_module._capabilities.cache_clear()
    try:
        with pytest.raises(HsmUnavailable):
            SoftwareHsm.open(tmp_path, environment="sandbox")
    finally:
        hsm_module._capabilities.cache_clear()


def test_an_opened_hsm_answers_from_its_folder(tmp_path: Path) -> None:
    provision_test_keys(KeyStore(tmp_path, environment="sandbox"))

    hsm = SoftwareHsm.open(tmp_path, environment="sandbox")

    assert hsm.health().ok
    assert hsm.health().detail == "56 keys"
    with pytest.raises(TestKeysInProduction):
        SoftwareHsm.open(tmp_path, environment="production")


def test_an_altered_store_makes_the_hsm_unwell(tmp_path: Path) -> None:
    hsm = SoftwareHsm.open(tmp_path, environment="sandbox")
    provision_test_keys(KeyStore(tmp_path, environment="sandbox"))
    (tmp_path / STORE_FILE).write_bytes(b"{}")

    health = hsm.health()

    assert not health.ok
    assert "seal" in health.detail


def test_keys_in_memory_are_listed_and_well() -> None:
    hsm = an_hsm()

    assert hsm.health().ok
    entry = hsm._source.entries()[0]
    assert (entry.test, entry.kcv.hex()) == (True, "08d7b4")


def test_no_key_is_in_a_log_a_repr_or_an_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    store = KeyStore(tmp_path, environment="sandbox")
    store.add({key_ref(KeyRole.LOAD): SECRET}, test=False)
    hsm = SoftwareHsm(store)
    key = card_key(KeyRole.LOAD)
    with pytest.raises(Exception, match="MAC1") as wrong:
        hsm.authorise_load(key, a_load())

    seen = (
        caplog.text
        + repr(hsm)
        + repr(store.entries())
        + repr(key)
        + repr(wrong.value)
        + repr(wrong.value.__dict__)
    )

    assert SECRET.hex() not in seen.lower()
    assert repr(SECRET) not in seen


def test_an_element_and_its_channel_are_met_with_published_keys_only() -> None:
    meeting = Meeting(Case(3, 0x70, Algorithm.AES256, 0x33))

    assert repr(meeting.hsm) == "SoftwareHsm(PublishedKeys(5 keys))"
