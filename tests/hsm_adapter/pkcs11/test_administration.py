from __future__ import annotations

import json

import pytest
from pkcs11 import Attribute, ObjectClass
from pkcs11.exceptions import DeviceError

from ota.card.keys import Algorithm, KeyRole
from ota.hsm_adapter.errors import (
    AlgorithmNotSupported,
    KeyMisuse,
    KeyNotUsable,
    KeyRefused,
    KeyUnknown,
    TestKeysInProduction,
)
from ota.hsm_adapter.keys import CardKey, KeyRef, KeyState
from ota.hsm_adapter.pkcs11 import Pkcs11Hsm, Sm4Mechanisms, TokenPlace, marks
from ota.hsm_adapter.pkcs11.administration import TokenKeys
from ota.hsm_adapter.pkcs11.ciphers import TDES
from ota.hsm_adapter.pkcs11.errors import KeyAttributesWeak
from ota.hsm_adapter.pkcs11.provisioning import provision_token
from ota.hsm_adapter.pkcs11.session import TokenSession
from ota.hsm_adapter.pkcs11.templates import Use, stored_key
from ota.hsm_adapter.pkcs11.token import OpenToken
from ota.hsm_adapter.software.published import sandbox_master
from ota.hsm_adapter.test_keys import GP_TEST, PLATFORM, PROVINCE
from tests.hsm_adapter.keyring import a_load, card_key, expected_mac2
from tests.hsm_adapter.pkcs11.holders import MODULE_OF_AES
from tests.hsm_adapter.pkcs11.test_attributes import put

LOAD = KeyRef(KeyRole.LOAD, "province", 1, Algorithm.TDES)
SECRET = bytes.fromhex("8A3C5D1F90B7E2466BD10E94F7A2C358")


def keys_of(place: TokenPlace, environment: str = "sandbox") -> TokenKeys:
    return TokenKeys(place, environment=environment)


def test_a_key_that_was_put_in_is_there_and_works(fresh: TokenPlace) -> None:
    (entry,) = keys_of(fresh, "production").add({LOAD: SECRET}, test=False)

    hsm = Pkcs11Hsm.open(fresh, environment="production")
    load = a_load(master=SECRET)
    assert (entry.ref, entry.state, entry.test, entry.exportable) == (LOAD, KeyState.ACTIVE, False, False)
    assert entry.kcv == hsm.kcv(CardKey(LOAD, ()))
    assert hsm.authorise_load(card_key(KeyRole.LOAD), load) == expected_mac2(Algorithm.TDES, load, SECRET)


def test_entries_are_told_in_order_and_one_by_one(fresh: TokenPlace) -> None:
    keys = keys_of(fresh)
    tac = KeyRef(KeyRole.TAC, "province", 1, Algorithm.TDES)
    keys.add({tac: SECRET, LOAD: SECRET[::-1]}, test=False)

    assert [entry.ref for entry in keys.entries()] == [LOAD, tac]
    assert keys.entry(tac).ref == tac
    with pytest.raises(KeyUnknown):
        keys.entry(KeyRef(KeyRole.TAC, "province", 2, Algorithm.TDES))


def test_a_taken_name_is_refused_or_left_out(fresh: TokenPlace) -> None:
    keys = keys_of(fresh)
    keys.add({LOAD: SECRET}, test=False)

    with pytest.raises(KeyRefused, match="the name is taken"):
        keys.add({LOAD: SECRET}, test=False)
    assert keys.add({LOAD: SECRET}, test=False, only_missing=True) == []


@pytest.mark.parametrize(
    ("key", "why"),
    [
        (bytes(15), "not 16 bytes"),
        (b"\x5a" * 16, "one byte repeated"),
        (SECRET[:8] * 2, "equal halves"),
        (sandbox_master(KeyRole.LOAD, Algorithm.TDES), "published"),
    ],
)
def test_weak_and_published_keys_are_refused_and_nothing_is_put_in(
    fresh: TokenPlace, key: bytes, why: str
) -> None:
    keys = keys_of(fresh)
    tac = KeyRef(KeyRole.TAC, "province", 1, Algorithm.TDES)

    with pytest.raises(KeyRefused, match=why):
        keys.add({tac: SECRET, LOAD: key}, test=False)

    assert keys.entries() == []


def test_what_a_token_cannot_hold_is_refused(fresh: TokenPlace) -> None:
    keys = keys_of(fresh)

    with pytest.raises(AlgorithmNotSupported, match="SM4"):
        keys.add({KeyRef(KeyRole.LOAD, "province", 1, Algorithm.SM4): SECRET}, test=False)
    with pytest.raises(KeyMisuse):
        keys.add({KeyRef(KeyRole.TRANSPORT, "foshan", 1, Algorithm.TDES): SECRET}, test=False)


def test_the_published_keys_are_put_in_once_and_marked(fresh: TokenPlace) -> None:
    keys = keys_of(fresh)

    added = provision_token(keys)

    assert {entry.ref.issuer for entry in added} == {PROVINCE, PLATFORM, GP_TEST}
    assert all(entry.test and entry.ref.algorithm is not Algorithm.SM4 for entry in added)
    assert provision_token(keys) == []


def test_published_sm4_keys_go_on_a_token_that_has_sm4(fresh: TokenPlace) -> None:
    added = provision_token(TokenKeys(fresh, environment="sandbox", sm4=MODULE_OF_AES))

    assert sum(entry.ref.algorithm is Algorithm.SM4 for entry in added) == 16


def test_keys_of_an_algorithm_that_is_not_set_up_any_more_are_passed_over(fresh: TokenPlace) -> None:
    provision_token(TokenKeys(fresh, environment="sandbox", sm4=MODULE_OF_AES))

    assert all(entry.ref.algorithm is not Algorithm.SM4 for entry in keys_of(fresh).entries())


def test_marked_keys_are_refused_in_production(provisioned: TokenPlace) -> None:
    with pytest.raises(TestKeysInProduction):
        provision_token(keys_of(provisioned, "production"))
    with pytest.raises(TestKeysInProduction):
        Pkcs11Hsm.open(provisioned, environment="production")


@pytest.mark.parametrize(
    "published",
    [
        sandbox_master(KeyRole.LOAD, Algorithm.TDES),
        bytes.fromhex("0123456789ABCDEFFEDCBA9876543210"),
        b"\x01" * 16,
        bytes.fromhex("0101010101010101FEFEFEFEFEFEFEFE"),
    ],
    ids=["sandbox", "vectors", "one byte", "weak halves"],
)
def test_a_published_key_without_a_mark_is_refused_in_production(fresh: TokenPlace, published: bytes) -> None:
    put(fresh, stored_key(TDES, Use.DERIVE, marks.label(LOAD), published))

    assert Pkcs11Hsm.open(fresh, environment="sandbox").health().ok
    with pytest.raises(TestKeysInProduction):
        Pkcs11Hsm.open(fresh, environment="production")


def test_a_key_without_a_mark_is_active(fresh: TokenPlace) -> None:
    put(fresh, stored_key(TDES, Use.DERIVE, marks.label(LOAD), SECRET))

    entry = keys_of(fresh, "production").entry(LOAD)

    assert (entry.state, entry.test) == (KeyState.ACTIVE, False)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (KeyState.PRE_ACTIVE, KeyState.ACTIVE),
        (KeyState.PRE_ACTIVE, KeyState.RETIRED),
        (KeyState.ACTIVE, KeyState.VERIFY_ONLY),
        (KeyState.ACTIVE, KeyState.RETIRED),
        (KeyState.VERIFY_ONLY, KeyState.RETIRED),
    ],
)
def test_a_key_moves_on_and_never_back(fresh: TokenPlace, before: KeyState, after: KeyState) -> None:
    keys = keys_of(fresh)
    keys.add({LOAD: SECRET}, test=False, state=before)

    keys.change_state(LOAD, after)

    assert keys.entry(LOAD).state is after
    with pytest.raises(KeyNotUsable, match=after):
        keys.change_state(LOAD, before)


def test_the_state_of_an_unknown_key_is_not_changed(fresh: TokenPlace) -> None:
    with pytest.raises(KeyUnknown):
        keys_of(fresh).change_state(LOAD, KeyState.RETIRED)


def test_a_running_hsm_takes_over_what_was_changed(fresh: TokenPlace) -> None:
    keys = keys_of(fresh)
    keys.add({LOAD: SECRET}, test=False)
    hsm, load = Pkcs11Hsm.open(fresh, environment="sandbox"), a_load(master=SECRET)
    hsm.authorise_load(card_key(KeyRole.LOAD), load)

    keys.change_state(LOAD, KeyState.VERIFY_ONLY)
    health = hsm.health()

    assert health.ok
    assert health.detail.startswith("1 keys")
    with pytest.raises(KeyNotUsable):
        hsm.authorise_load(card_key(KeyRole.LOAD), load)


def test_of_two_marks_that_a_crash_left_the_later_counts(fresh: TokenPlace) -> None:
    keys_of(fresh).add({LOAD: SECRET}, test=True)
    put(fresh, mark_of(LOAD, {"state": "verify-only", "test": False}))

    entry = keys_of(fresh).entry(LOAD)

    assert (entry.state, entry.test) == (KeyState.VERIFY_ONLY, True)


def test_a_new_mark_takes_the_place_of_all_before(fresh: TokenPlace) -> None:
    keys = keys_of(fresh)
    keys.add({LOAD: SECRET}, test=True)
    put(fresh, mark_of(LOAD, {"state": "verify-only", "test": True}))
    seen = keys_of(fresh)

    seen.change_state(LOAD, KeyState.RETIRED)

    def count(token: OpenToken, _: None) -> int:
        return len(token.found({Attribute.CLASS: ObjectClass.DATA}))

    assert TokenSession[None](fresh, lambda _: None).run(count) == 1
    assert seen.entry(LOAD).state is KeyState.RETIRED


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"state":"lost","test":false}', b"\xff"])
def test_a_mark_that_cannot_be_read_stops_the_start(fresh: TokenPlace, content: bytes) -> None:
    keys_of(fresh).add({LOAD: SECRET}, test=False)
    put(fresh, {**mark_of(LOAD, {}), Attribute.VALUE: content or b" "})

    with pytest.raises(KeyAttributesWeak, match="state"):
        Pkcs11Hsm.open(fresh, environment="sandbox")


def test_a_fault_in_between_leaves_no_key_twice(fresh: TokenPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    tac = KeyRef(KeyRole.TAC, "province", 1, Algorithm.TDES)
    keys, real = keys_of(fresh), OpenToken.created
    created: list[object] = []

    def faulty(token: OpenToken, template: dict[Attribute, object]) -> object:
        handle = real(token, template)
        created.append(handle)
        if len(created) == 2:  # the first key is in, then the token stumbles
            raise DeviceError
        return handle

    monkeypatch.setattr(OpenToken, "created", faulty)
    added = keys.add({LOAD: SECRET, tac: SECRET[::-1]}, test=False)
    monkeypatch.undo()

    assert {entry.ref for entry in added} == {LOAD, tac}
    assert len(keys_of(fresh).entries()) == 2


def test_a_mark_that_a_crash_left_without_its_key_is_taken_over(fresh: TokenPlace) -> None:
    put(fresh, mark_of(LOAD, {"state": "active", "test": False}))

    (entry,) = keys_of(fresh).add({LOAD: SECRET}, test=False)

    assert (entry.state, entry.test) == (KeyState.ACTIVE, False)


def test_a_session_of_operations_cannot_write(fresh: TokenPlace) -> None:
    from ota.hsm_adapter.pkcs11.errors import TokenUnavailable

    def write(token: OpenToken, _: None) -> None:
        token.created(stored_key(TDES, Use.DERIVE, marks.label(LOAD), SECRET))

    with pytest.raises(TokenUnavailable, match="SessionReadOnly"):
        TokenSession[None](fresh, lambda _: None).run(write)


def test_no_repr_tells_a_key(fresh: TokenPlace) -> None:
    keys = keys_of(fresh)
    (entry,) = keys.add({LOAD: SECRET}, test=False)

    told = f"{keys!r} {entry!r} {Sm4Mechanisms(1, 2, 3)!r}"

    assert SECRET.hex() not in told.lower()
    assert "TokenKeys(TokenSession(" in told


def mark_of(ref: KeyRef, content: dict[str, object]) -> dict[Attribute, object]:
    return {
        Attribute.CLASS: ObjectClass.DATA,
        Attribute.TOKEN: True,
        Attribute.PRIVATE: True,
        Attribute.APPLICATION: "ota key state",
        Attribute.LABEL: marks.label(ref),
        Attribute.VALUE: json.dumps(content).encode(),
    }
