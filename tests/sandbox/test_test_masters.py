from __future__ import annotations

import pytest

from ota.card.keys import Algorithm, KeyRole
from ota.hsm_adapter.software.published import sandbox_master
from ota.sandbox.test_masters import card_masters, published_master


@pytest.mark.parametrize("role", KeyRole)
@pytest.mark.parametrize("algorithm", Algorithm)
def test_the_printed_masters_are_those_of_the_platform(role: KeyRole, algorithm: Algorithm) -> None:
    assert published_master(role.value, algorithm.value) == sandbox_master(role, algorithm)


def test_an_unknown_algorithm_has_no_master() -> None:
    with pytest.raises(KeyError):
        published_master("load", "DES")


def test_a_stranger_gets_masters_and_factors_in_hex() -> None:
    printed = card_masters([bytes.fromhex("02205810FFFFFFFF"), bytes.fromhex("4870312345678906")])

    assert sorted(printed) == ["3des", "sm4"]
    assert printed["sm4"]["load_master"] == published_master("load", "SM4").hex().upper()
    assert printed["3des"]["tac_master"] == published_master("tac", "3DES").hex().upper()
    assert printed["3des"]["factors"] == ["02205810FFFFFFFF", "4870312345678906"]
