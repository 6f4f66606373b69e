from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ota.sandbox.element import Algorithm, Element, Options, Prove
from ota.sandbox.element.epurse import PurseApplication
from ota.sandbox.element.keyring import Role
from ota.sandbox.element.purse import State
from ota.sandbox.element.purse_crypto import tac_key
from tests.sandbox.element.cards import (
    TICL,
    TUNION,
    balance,
    begin_load,
    key,
    load,
    make,
    personalise,
    select,
)
from tests.sandbox.element.host import say, sw

AT = "20260102030405"


def made(**options: Any) -> Element:
    """A compatible card of some make, its T-Union application selected."""
    element = personalise(make(**options))
    select(element, TUNION)
    return element


@pytest.mark.parametrize(
    ("index", "default", "algorithm"),
    [
        (0x01, Algorithm.TDES, Algorithm.TDES),
        (0x02, Algorithm.TDES, Algorithm.TDES),
        (0x41, Algorithm.TDES, Algorithm.SM4),
        (0x42, Algorithm.TDES, Algorithm.SM4),
        (0x01, Algorithm.SM4, Algorithm.SM4),
        (0x02, Algorithm.SM4, Algorithm.SM4),
    ],
)
def test_a_load_goes_through_with_every_key(index: int, default: Algorithm, algorithm: Algorithm) -> None:
    element = made(purse_algorithm=default)

    begun = begin_load(element, 5000, index=index, algorithm=algorithm)
    tac, status = say(element, begun.credit())

    assert begun.answer[12:] == begun.mac1
    assert begun.answer[7] == (0x00 if algorithm is Algorithm.TDES else 0x04)
    assert (tac, status) == (begun.tac(), "9000")
    assert balance(element) == 5000


def test_sm4_may_fold_its_tac_key() -> None:
    element = made(purse_algorithm=Algorithm.SM4, sm4_tac_xor=True)
    begun = begin_load(element, algorithm=Algorithm.SM4)

    tac, _ = say(element, begun.credit())

    assert tac == begun.tac(sm4_xor=True)
    assert tac_key(Algorithm.SM4, key(Role.TAC), sm4_xor=True) != tac_key(
        Algorithm.SM4, key(Role.TAC), sm4_xor=False
    )


def test_initialising_changes_nothing_durable(card: Element) -> None:
    load(card, 100)

    first, second = begin_load(card, 1), begin_load(card, 2)

    assert first.answer[:6] == second.answer[:6] == bytes.fromhex("000000640001")
    assert first.answer[8:12] != second.answer[8:12]
    assert balance(card) == 100


def test_a_load_is_logged_with_the_stepped_counter(card: Element) -> None:
    load(card, 5000)

    record = say(card, "00B201C417")

    assert record == (bytes.fromhex("0001" + "000000" + "00001388" + "02" + "581000000001" + AT), "9000")


def test_some_cards_log_the_counter_before_its_step() -> None:
    element = made(log_incremented_counter=False)
    load(element)

    assert say(element, "00B201C400")[0][:2] == b"\x00\x00"


def test_the_lingnantong_log_has_no_year(card: Element) -> None:
    load(card, 5000)
    select(card, TICL)

    record, status = say(card, "00B201C417")

    assert status == "9000"
    assert record.hex() == "0001" + "000000" + "00001388" + "02" + "581000000001" + "0000" + "0102030405"


def test_a_wrong_mac2_is_9302_and_ends_the_load(card: Element) -> None:
    begun = begin_load(card)
    right = begun.credit()
    wrong = right[:24] + f"{int(right[24:26], 16) ^ 1:02X}" + right[26:]

    assert sw(card, wrong) == "9302"
    assert sw(card, right) == "6985"
    assert balance(card) == 0


def test_credit_needs_its_initialisation(card: Element) -> None:
    begun = begin_load(card)
    credit = begun.credit()
    assert sw(card, credit) == "9000"

    assert sw(card, credit) == "6985"
    assert sw(card, "805001020B01000000015810000000010F") == "9000"
    assert sw(card, credit) == "6985"


@pytest.mark.parametrize("forget", ["reset", "select"])
def test_a_load_under_way_is_forgotten(card: Element, forget: str) -> None:
    credit = begin_load(card).credit()

    if forget == "reset":
        card.reset()
    select(card, TUNION)

    assert sw(card, credit) == "6985"
    assert begin_load(card).answer[4:6] == b"\x00\x00"


def test_reading_between_the_two_commands_does_no_harm(card: Element) -> None:
    credit = begin_load(card).credit()
    balance(card)
    say(card, "00B095001E")

    assert sw(card, credit) == "9000"


def test_a_newer_initialisation_kills_the_older_mac2(card: Element) -> None:
    old = begin_load(card, 5000)
    begin_load(card, 5000)

    assert sw(card, old.credit()) == "9302"


@pytest.mark.parametrize(("second", "status"), [(5000, "9000"), (4999, "9302")])
def test_a_card_with_a_fixed_random_takes_an_old_mac2_only_for_the_same_amount(
    second: int, status: str
) -> None:
    element = made(fixed_random=b"\xa5")
    old = begin_load(element, 5000)
    begin_load(element, second)

    assert sw(element, old.credit()) == status


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("805000010B010000000158100000000110", "6A86"),
        ("805004020B010000000158100000000110", "6A86"),
        ("805000020A01000000015810000000", "6700"),
        ("805000020B010000000158100000000108", "6C10"),
        ("805000020B030000000158100000000110", "9403"),
        ("805000020B000000000158100000000110", "9403"),
        ("805000020B01000186A158100000000110", "6985"),
        ("805200000A20260102030405000000", "6700"),
        ("805201000B2026010203040500000000", "6A86"),
        ("805200000B2026010203040500000000", "6985"),
        ("805A0002020000", "6985"),
        ("805A010202000008", "6A86"),
        ("805A00020100", "6700"),
    ],
)
def test_bad_loads(card: Element, command: str, status: str) -> None:
    assert sw(card, command) == status


def test_the_ceiling_is_checked_against_the_sum(card: Element) -> None:
    load(card, 99_999)

    assert sw(card, "805000020B010000000258100000000110") == "6985"
    assert sw(card, "805000020B010000000158100000000110") == "9000"


def test_a_key_that_was_not_delivered_is_9403() -> None:
    element = personalise(make(), shared=False)
    select(element, TICL)

    assert sw(element, "805000020B410000000158100000000110") == "9403"
    assert sw(element, "805000020B020000000158100000000110") == "9403"


def test_a_counter_at_its_end_is_9402(card: Element) -> None:
    application = card._registry.find_applet(bytes.fromhex(TUNION))
    assert isinstance(application, PurseApplication)
    application.purse.state = State(online_counter=0xFFFF, offline_counter=0xFFFF)

    assert sw(card, "805000020B010000000158100000000110") == "9402"
    assert sw(card, "805001020B01000000005810000000010F") == "9402"


def test_some_cards_ask_for_the_pin_first() -> None:
    element = made(pin_before_load=True)
    assert sw(element, "805000020B010000000158100000000110") == "6982"

    assert sw(element, "0020000003123456") == "9000"

    assert load(element)
    element.reset()
    select(element, TUNION)
    assert sw(element, "805000020B010000000158100000000110") == "6982"


def test_a_proof_is_given_once_and_survives_the_power(card: Element) -> None:
    tac = load(card)
    card.reset()
    select(card, TUNION)

    assert sw(card, "805A000202000108") == "9406"
    assert sw(card, "805A000602000008") == "9406"
    assert say(card, "805A000202000008") == (bytes(4) + tac, "9000")
    assert sw(card, "805A000202000008") == "6985"


def test_some_cards_give_the_proof_again() -> None:
    element = made(prove=Prove.REPEATEDLY)
    tac = load(element)

    assert [say(element, "805A000202000008")[0][4:] for _ in range(2)] == [tac, tac]


def test_some_cards_know_no_proof() -> None:
    element = made(prove=Prove.NOT_SUPPORTED)
    load(element)

    assert sw(element, "805A000202000008") == "6B00"


def test_the_log_keeps_the_ten_newest(card: Element) -> None:
    for amount in range(1, 13):
        load(card, amount)

    records = [say(card, f"00B2{number:02X}C417") for number in range(1, 12)]

    assert [int.from_bytes(data[5:9], "big") for data, _ in records[:10]] == list(range(12, 2, -1))
    assert records[10] == (b"", "6A83")


def test_the_online_counter_moves_with_loads_only(card: Element) -> None:
    load(card)
    load(card)

    assert begin_load(card).answer[4:6] == b"\x00\x02"
    assert say(card, "805001020B01000000015810000000010F")[0][4:6] == b"\x00\x00"


@settings(max_examples=15)
@given(st.lists(st.integers(0, 30_000), max_size=6))
def test_the_balance_is_what_was_loaded(amounts: list[int]) -> None:
    element = made()
    taken = 0
    for amount in amounts:
        if taken + amount <= Options().balance_ceiling:
            load(element, amount)
            taken += amount

    assert balance(element) == taken
