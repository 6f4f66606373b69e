"""A city turns to a newer generation of keys: a card gets all its keys from one of them, whenever that happens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from unittest.mock import patch

import pytest

from ota import wiring
from ota.card.keys import Algorithm, KeyRole
from ota.cities.loader import Cities
from ota.cities.profile import KeyVersions
from ota.hsm_adapter.keys import CARD_ALGORITHMS, CARD_ROLES, KeyRef
from ota.hsm_adapter.software import KeyStore
from ota.hsm_adapter.software.diversify import card_key
from ota.hsm_adapter.software.published import sandbox_master
from ota.sandbox.element import Algorithm as PurseAlgorithm
from ota.sandbox.element.card_os import Element
from ota.sandbox.element.keyring import KEY_SET_ROLES
from tests.elements import blank, tunion
from tests.platform import CONFIG, Platform, cities_of, number

BATCHES = 3
"""Of a phone that takes few commands at once, before all the card's keys are written."""

_SAME = {PurseAlgorithm.TDES: Algorithm.TDES, PurseAlgorithm.SM4: Algorithm.SM4}


def second_master(role: KeyRole, algorithm: Algorithm) -> bytes:
    return sha256(f"second {role} {algorithm}".encode()).digest()[:16]


MASTERS = {1: sandbox_master, 2: second_master}


def with_versions(*versions: int) -> Cities:
    generations = tuple(KeyVersions(each, each) for each in versions)
    every = dict.fromkeys(CARD_ALGORITHMS, generations)
    return Cities(replace(city, keys=replace(city.keys, versions=every)) for city in cities_of(CONFIG))


@contextmanager
def turned_to_the_second(platform: Platform) -> Iterator[Platform]:
    """A process that started after the ceremony and the change of the cities' files."""
    keys = {
        KeyRef(role, "province", 2, algorithm): second_master(role, algorithm)
        for role in CARD_ROLES
        for algorithm in CARD_ALGORITHMS
    }
    KeyStore(platform.settings.data, environment="sandbox").add(keys, test=False)
    other = platform.another_process()
    with patch.object(wiring.platform, "load_cities", lambda _folder: with_versions(2, 1)):
        other.__dict__["built"] = wiring.build(other.settings, clock=other.clock)
    yield other
    other.built.store.close()


def shown(element: Element, path: Sequence[bytes]) -> Mapping[PurseAlgorithm, set[int]]:
    """The versions that the keys of each algorithm really are of, by their values; 0 for a key of none."""
    ring = tunion(element).purse.keys

    def version_of(role: str, algorithm: PurseAlgorithm, value: bytes) -> int:
        theirs = _SAME[algorithm]
        for version, master in MASTERS.items():
            if card_key(theirs, bytearray(master(KeyRole(role), theirs)), tuple(path)) == value:
                return version
        return 0

    return {
        algorithm: {
            version_of(role.value, algorithm, ring.by_role(role, algorithm).value) for role in KEY_SET_ROLES
        }
        for algorithm in PurseAlgorithm
    }


@pytest.mark.parametrize("at_once", [16, 18])
@pytest.mark.parametrize("turned_after", range(BATCHES))
def test_a_card_has_all_its_keys_from_one_generation(
    platform: Platform, turned_after: int, at_once: int
) -> None:
    element = blank()
    ordered = platform.order_card(element)
    talk = platform.open(ordered["order_id"], element, caps={"max_batch": at_once, "max_apdu": 128})
    for _ in range(turned_after):
        assert talk.step().status_code == 200

    with turned_to_the_second(platform) as other:
        talk.send = other.conversation({"batch": talk.batch, "token": talk.token}, element).send
        ending = talk.finish()

    stated = tunion(element).purse.keys.by_role(KEY_SET_ROLES[0]).version
    path = cities_of(CONFIG).by_name("guangzhou").key_path(number(0))
    assert ending["outcome"]["state"] == "active", ending
    assert ordered["card_no"] == number(0).digits
    assert shown(element, path) == {algorithm: {stated} for algorithm in PurseAlgorithm}
    assert stated == (2 if turned_after < 1 else 1)
