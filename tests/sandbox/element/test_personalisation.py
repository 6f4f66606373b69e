from __future__ import annotations

from typing import Any

import pytest

from ota.sandbox.element import Algorithm, Element
from ota.sandbox.element.keyring import KEY_SET_ROLES, Role
from tests.sandbox.element.cards import (
    APPY,
    EF15,
    EF17,
    LINGNANTONG,
    LNT_9F0C,
    LNT_EF15,
    PPSE,
    PPSE_TEMPLATE,
    TICL,
    TUNION,
    begin_load,
    dgi,
    install,
    key_set,
    load,
    lv,
    make,
    personalise,
    select,
    store,
    tunion_groupings,
)
from tests.sandbox.element.host import Channel, open_channel, say, sw


@pytest.fixture
def channel(blank: Element) -> Channel:
    """A session with a T-Union instance that waits for its data."""
    opened = open_channel(blank, blank.security_domains[1])
    assert install(opened, TUNION) == "9000"
    return opened


def enough(channel: Channel) -> list[tuple[bool, str]]:
    """The least that a T-Union instance needs."""
    keys = dgi("B0A0", key_set(channel, Algorithm.TDES, KEY_SET_ROLES))
    return [(False, dgi("B001", EF15) + dgi("B003", EF17)), (True, keys)]


def test_a_card_with_the_least_data_takes_money(blank: Element, channel: Channel) -> None:
    assert store(channel, TUNION, enough(channel)) == "9000"

    select(blank, TUNION)
    assert load(blank)


@pytest.mark.parametrize("chunk", [1, 7, 200])
def test_a_grouping_may_run_over_many_blocks(blank: Element, channel: Channel, chunk: int) -> None:
    assert store(channel, TUNION, [(False, dgi("B001", EF15) + dgi("B003", EF17))], chunk) == "6985"
    assert store(channel, TUNION, enough(channel)) == "9000"

    select(blank, TUNION)
    assert say(blank, "00B097000B") == (bytes.fromhex(EF17[:22]), "9000")


@pytest.mark.parametrize("missing", ["B001", "B003", "B0A0"])
def test_what_must_be_there_is_missed(blank: Element, channel: Channel, missing: str) -> None:
    groupings = {"B001": dgi("B001", EF15), "B003": dgi("B003", EF17)}
    plain = "".join(data for number, data in groupings.items() if number != missing)
    keys = [] if missing == "B0A0" else [enough(channel)[1]]

    assert store(channel, TUNION, [(False, plain), *keys]) == "6985"

    select(blank, TUNION)
    assert sw(blank, "805C000204") == "6985"
    assert sw(blank, "805000020B010000000158100000000110") == "6985"
    assert sw(blank, "805001020B01000000015810000000010F") == "6985"


@pytest.mark.usefixtures("channel")
def test_before_personalisation_the_application_shows_zeros(blank: Element) -> None:
    fci, status = select(blank, TUNION)

    assert status == "9000"
    assert fci.hex().endswith("9f0801009f0c1e" + "00" * 30)


@pytest.mark.parametrize(
    "grouping",
    [
        (False, dgi("B001", EF15[2:])),
        (False, dgi("A002", "00")),
        (False, dgi("A001", "15010000FF02")),
        (False, dgi("B0FF", "00")),
        (False, dgi("B0A5", "00" * 19)),
        (True, dgi("B001", EF15)),
        (True, dgi("A002", "0001")),
        (True, dgi("B0A5", "00" * 18)),
        (True, dgi("B0A5", "00" * 19)),
        (False, "B001" + "1E00"),
    ],
)
def test_bad_groupings_are_6a80(channel: Channel, grouping: tuple[bool, str]) -> None:
    assert store(channel, TUNION, [grouping]) == "6A80"


def test_a_wrong_check_value_refuses_the_whole_set(channel: Channel) -> None:
    plain, (_, keys) = enough(channel)

    assert (
        store(channel, TUNION, [plain, (True, keys[:-2] + ("00" if keys[-2:] != "00" else "01"))]) == "6A80"
    )
    assert (
        store(channel, TUNION, [(True, dgi("B0A5", key_set(channel, Algorithm.TDES, (Role.LOAD_2,))))])
        == "6985"
    )


def test_enciphered_and_plain_do_not_mix_within_a_grouping(channel: Channel) -> None:
    keys = enough(channel)[1][1]

    assert store(channel, TUNION, [(True, keys[:20]), (False, keys[20:])]) == "6A80"


@pytest.mark.parametrize(("p1", "block"), [("88", "01"), ("80", "00"), ("98", "00"), ("A8", "00")])
def test_blocks_out_of_order_or_form_are_6a86(channel: Channel, p1: str, block: str) -> None:
    channel.send("80E62000" + lv("0000" + lv(TUNION) + "000000"))

    assert channel.send(f"80E2{p1}{block}" + lv(dgi("B001", EF15)))[1] == "6A86"


def test_a_torn_personalisation_starts_over(blank: Element, channel: Channel) -> None:
    channel.send("80E62000" + lv("0000" + lv(TUNION) + "000000"))
    assert channel.send("80E20800" + lv(dgi("B001", EF15)[:20]))[1] == "9000"
    blank.reset()

    again = open_channel(blank, blank.security_domains[1])

    assert store(again, TUNION, tunion_groupings(again)) == "9000"


def test_a_finished_card_is_not_personalised_again(card: Element) -> None:
    channel = open_channel(card, card.security_domains[1])

    assert store(channel, TUNION, tunion_groupings(channel)) == "6985"
    assert store(channel, LINGNANTONG, [(False, dgi("B101", LNT_EF15))]) == "6985"


@pytest.mark.parametrize("aid", [APPY, TICL])
def test_an_alias_takes_no_data(card: Element, aid: str) -> None:
    channel = open_channel(card, card.security_domains[1])

    assert store(channel, aid, [(False, dgi("B101", LNT_EF15))]) == "6985"
    channel.send("80E62000" + lv("0000" + lv(aid) + "000000"))
    assert channel.send("80E28800")[1] == "6985"


def test_only_our_own_instances_can_be_personalised(card: Element) -> None:
    issuer = open_channel(card, card.security_domains[0])

    assert issuer.send("80E62000" + lv("0000" + lv(TUNION) + "000000"))[1] == "6A88"
    assert issuer.send("80E62000" + lv("0000"))[1] == "6A80"


def test_lingnantong_needs_its_card_information(blank: Element, channel: Channel) -> None:
    install(channel, LINGNANTONG, "C9" + lv("81" + lv(TUNION)))
    install(channel, TICL, "C9048202ADF3")

    assert store(channel, LINGNANTONG, [(False, dgi("B10C", LNT_9F0C))]) == "6985"
    assert store(channel, LINGNANTONG, [(False, dgi("B101", LNT_EF15[2:]))]) == "6A80"
    assert store(channel, LINGNANTONG, [(False, dgi("B0A0", "00"))]) == "6A80"

    select(blank, TICL)
    assert sw(blank, "805C000204") == "6985"


def test_the_directory_may_be_replaced(card: Element) -> None:
    channel = open_channel(card, card.security_domains[1])

    assert store(channel, PPSE, [(False, dgi("0100", PPSE_TEMPLATE[4:]))]) == "9000"

    answer, _ = select(card, PPSE)
    assert answer.hex().upper() == "6F49840E" + PPSE + PPSE_TEMPLATE


@pytest.mark.parametrize("content", ["A505BF0C", "A503BF0C05"])
def test_a_broken_directory_is_refused(card: Element, content: str) -> None:
    channel = open_channel(card, card.security_domains[1])

    assert store(channel, PPSE, [(False, dgi("0100", content))]) == "6A80"
    assert store(channel, PPSE, [(False, dgi("0200", PPSE_TEMPLATE))]) == "6A80"


def test_an_empty_directory_is_not_complete(blank: Element, channel: Channel) -> None:
    install(channel, PPSE)
    channel.send("80E62000" + lv("0000" + lv(PPSE) + "000000"))

    assert channel.send("80E28800")[1] == "6985"
    assert select(blank, PPSE)[1] == "9000"
    assert sw(blank, "00B0950000") == "6D00"


@pytest.mark.parametrize(
    ("options", "identity", "expected"),
    [
        ({}, "0001", "0100"),
        ({}, "01050402", "0501"),
        ({"purse_algorithm": Algorithm.SM4}, "00010102", "0201"),
        ({"purse_algorithm": Algorithm.SM4, "algorithm_id": 0x07}, "00010102", "0207"),
        ({"algorithm_id": 0x09}, "", "0109"),
    ],
)
def test_key_version_and_algorithm_are_as_told(options: dict[str, Any], identity: str, expected: str) -> None:
    element = make(**options)
    channel = open_channel(element, element.security_domains[1])
    install(channel, TUNION)
    first = dgi("A002", identity) if identity else ""
    plain, keys = enough(channel)
    sm4 = (True, dgi("B1A0", key_set(channel, Algorithm.SM4, KEY_SET_ROLES)))
    assert store(channel, TUNION, [(False, first + plain[1]), keys, sm4]) == "9000"
    select(element, TUNION)

    answer = begin_load(element).answer

    assert answer[6:8].hex().upper() == expected


@pytest.mark.parametrize("shared", [True, False])
def test_one_purse_is_behind_both_applications_or_each_has_its_own(shared: bool) -> None:
    element = personalise(make(), shared=shared)
    select(element, TUNION)
    load(element, 5000)
    select(element, TICL)
    load(element, 700)

    balances = [say(element, "805C000204")[0].hex()]
    select(element, TUNION)
    balances.append(say(element, "805C000204")[0].hex())

    assert balances == (["00001644", "00001644"] if shared else ["000002bc", "00001388"])
