from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ota.card.keys import Algorithm, KeyRole
from ota.core.errors import InvalidValue
from ota.core.values import Mac4
from ota.hsm_adapter.errors import Mac1Wrong, TacWrong
from ota.hsm_adapter.keys import Path
from ota.hsm_adapter.software import EPurseRules, Sm4SessionRule, SoftwareHsm
from ota.hsm_adapter.software.memory import PublishedKeys
from tests.hsm_adapter import reference
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

CARD_ALGORITHMS = (Algorithm.TDES, Algorithm.SM4)
algorithms = pytest.mark.parametrize("algorithm", CARD_ALGORITHMS)
keys = st.binary(min_size=16, max_size=16)
factors = st.lists(st.binary(min_size=8, max_size=8), max_size=8).map(tuple)


@algorithms
def test_a_right_mac1_is_answered_with_mac2(algorithm: Algorithm) -> None:
    load = a_load(algorithm)

    mac2 = an_hsm().authorise_load(card_key(KeyRole.LOAD, algorithm), load)

    assert mac2 == expected_mac2(algorithm, load)


@algorithms
def test_the_same_load_gives_the_same_mac2(algorithm: Algorithm) -> None:
    hsm, key, load = an_hsm(), card_key(KeyRole.LOAD, algorithm), a_load(algorithm)

    first = hsm.authorise_load(key, load)

    assert hsm.authorise_load(key, load) == first


@algorithms
@pytest.mark.parametrize("bit", range(32))
def test_mac1_wrong_in_any_bit_gives_no_mac2(algorithm: Algorithm, bit: int) -> None:
    hsm, key, load = an_hsm(), card_key(KeyRole.LOAD, algorithm), a_load(algorithm)
    flipped = int.from_bytes(load.answer.mac1.value, "big") ^ 1 << bit
    forged = replace(load, answer=replace(load.answer, mac1=Mac4(flipped.to_bytes(4, "big"))))

    with pytest.raises(Mac1Wrong):
        hsm.authorise_load(key, forged)
    with pytest.raises(Mac1Wrong):
        hsm.check_mac1(key, forged)


def test_a_load_without_time_gets_no_mac2() -> None:
    load = replace(a_load(), at=None)

    with pytest.raises(InvalidValue):
        an_hsm().authorise_load(card_key(KeyRole.LOAD), load)


def test_mac1_is_checked_before_the_load_has_a_time() -> None:
    hsm, load = an_hsm(), replace(a_load(), at=None)

    hsm.check_mac1(card_key(KeyRole.LOAD), load)

    with pytest.raises(Mac1Wrong):
        hsm.check_mac1(card_key(KeyRole.LOAD, path=PATH[:1]), load)


def test_many_loads_are_answered_in_their_order_and_a_wrong_one_stands_at_its_place() -> None:
    hsm, key, right = an_hsm(), card_key(KeyRole.LOAD), a_load()
    wrong = replace(right, answer=replace(right.answer, mac1=Mac4(bytes(4))))

    answers = hsm.authorise_loads([(key, right), (key, wrong), (key, right)])

    assert [type(answer) for answer in answers] == [Mac4, Mac1Wrong, Mac4]


def test_many_loads_of_many_cards_cities_and_algorithms_are_answered_as_one_by_one() -> None:
    hsm = an_hsm()
    paths: list[Path] = [
        (),
        PATH[:1],
        *((city.to_bytes(8, "big"), card.to_bytes(8, "big")) for city in range(3) for card in range(400)),
    ]
    requests = [
        (card_key(KeyRole.LOAD, algorithm, path), a_load(algorithm, path=path, atc=number))
        for number, path in enumerate(paths)
        for algorithm in CARD_ALGORITHMS
    ]
    forged = replace(requests[7][1], answer=replace(requests[7][1].answer, mac1=Mac4(bytes(4))))
    requests[7] = (requests[7][0], forged)

    answers = hsm.authorise_loads(requests)

    assert isinstance(answers.pop(7), Mac1Wrong)
    del requests[7]
    assert answers == [hsm.authorise_load(key, load) for key, load in requests]


def test_more_loads_below_one_key_than_are_derived_at_once_keep_their_order() -> None:
    hsm = an_hsm()
    paths = [(PATH[0], card.to_bytes(8, "big")) for card in range(2100)]
    requests = [(card_key(KeyRole.LOAD, path=path), a_load(path=path)) for path in paths]

    answers = hsm.authorise_loads(requests)

    assert answers[::50] == [hsm.authorise_load(key, load) for key, load in requests[::50]]


@algorithms
def test_a_right_tac_is_accepted_and_another_refused(algorithm: Algorithm) -> None:
    hsm, key, load = an_hsm(), card_key(KeyRole.TAC, algorithm), a_load(algorithm)
    tac = expected_tac(algorithm, load)

    hsm.verify_tac(key, load, tac)

    with pytest.raises(TacWrong):
        hsm.verify_tac(key, load, Mac4(bytes(byte ^ 1 for byte in tac.value)))


@given(
    algorithm=st.sampled_from(CARD_ALGORITHMS),
    master=keys,
    path=factors,
    random=st.binary(min_size=4, max_size=4),
    atc=st.integers(0, 0xFFFF),
    balance=st.integers(0, 10**8),
    amount=st.integers(0, 10**8),
)
def test_every_load_comes_out_as_in_the_reference(
    algorithm: Algorithm,
    master: bytes,
    path: tuple[bytes, ...],
    random: bytes,
    atc: int,
    balance: int,
    amount: int,
) -> None:
    load = a_load(algorithm, master=master, path=path, random=random, atc=atc, balance=balance, amount=amount)
    hsm = an_hsm(master)

    mac2 = hsm.authorise_load(card_key(KeyRole.LOAD, algorithm, path), load)

    assert mac2 == expected_mac2(algorithm, load, master, path)
    hsm.verify_tac(card_key(KeyRole.TAC, algorithm, path), load, expected_tac(algorithm, load, master, path))


def test_the_sm4_session_key_may_repeat_the_seed() -> None:
    load = a_load(Algorithm.SM4)
    seed = load.session_seed
    session = reference.sm4(reference.diversified("SM4", MASTER, PATH), seed + seed)
    mac1 = Mac4(reference.trade_mac("SM4", session, load.mac1_data))
    rules = EPurseRules(sm4_session=Sm4SessionRule.REPEAT)
    hsm = SoftwareHsm(PublishedKeys({key_ref(KeyRole.LOAD, Algorithm.SM4): MASTER}), rules=rules)

    hsm.check_mac1(
        card_key(KeyRole.LOAD, Algorithm.SM4), replace(load, answer=replace(load.answer, mac1=mac1))
    )

    with pytest.raises(Mac1Wrong):
        hsm.check_mac1(card_key(KeyRole.LOAD, Algorithm.SM4), load)


def test_the_sm4_tac_key_may_be_folded() -> None:
    load = a_load(Algorithm.SM4)
    key = reference.diversified("SM4", MASTER, PATH)
    folded = reference.xor(key[:8], key[8:]) * 2
    tac = Mac4(reference.trade_mac("SM4", folded, load.tac_data))
    rules = EPurseRules(sm4_tac_xor=True)
    hsm = SoftwareHsm(PublishedKeys({key_ref(KeyRole.TAC, Algorithm.SM4): MASTER}), rules=rules)

    hsm.verify_tac(card_key(KeyRole.TAC, Algorithm.SM4), load, tac)

    with pytest.raises(TacWrong):
        hsm.verify_tac(card_key(KeyRole.TAC, Algorithm.SM4), load, expected_tac(Algorithm.SM4, load))
