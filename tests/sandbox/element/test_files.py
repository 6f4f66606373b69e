from __future__ import annotations

from dataclasses import replace

import pytest

from ota.sandbox.element import Element
from tests.sandbox.element.cards import (
    APPY,
    EF15,
    EF17,
    LINGNANTONG,
    LNT_9F0C,
    LNT_EF08,
    LNT_EF15,
    PPSE,
    TICL,
    TUNION,
    balance,
    load,
    lv,
    make,
    personalise,
    select,
)
from tests.sandbox.element.host import say, sw


def test_the_fci_of_t_union_holds_ef15(card: Element) -> None:
    answer, status = select(card, TUNION)

    proprietary = "9F0801029F0C1E" + EF15
    fci = "8410" + TUNION + "A525" + proprietary
    assert (answer.hex().upper(), status) == ("6F39" + fci.upper(), "9000")


def test_a_part_of_the_name_is_enough(card: Element) -> None:
    assert select(card, TUNION[:16]) == select(card, TUNION)
    assert select(card, "A000000632010106")[1] == "6A82"
    assert select(card, TUNION + "00")[1] == "6700"


def test_next_occurrence_walks_through_the_matches(card: Element) -> None:
    found = [say(card, "00A4040407")[1], say(card, "00A40402045041592E00")[0].hex()[4:24]]
    found += [say(card, "00A40402045041592E00")[0].hex()[4:24], say(card, "00A40402045041592E00")[1]]

    assert found == ["6A86", "8408" + APPY.lower(), "8408" + TICL.lower(), "6A82"]


def test_an_empty_name_means_the_issuer(card: Element) -> None:
    assert say(card, "00A4040000")[0].hex()[4:].startswith("8408a000000151000000")


def test_select_without_fci(card: Element) -> None:
    assert say(card, "00A4040C" + lv(TUNION)) == (b"", "9000")


def test_a_name_that_is_not_there_leaves_the_selection(card: Element) -> None:
    assert sw(card, "00A40400" + lv("A0000000038698")) == "6A82"

    assert balance(card) == 0


@pytest.mark.parametrize(
    ("command", "answer", "status"),
    [
        ("00B095001E", EF15, "9000"),
        ("00B0950000", EF15, "9000"),
        ("00B0950A0A", EF15[20:40], "9000"),
        ("00B097000B", EF17[:22], "9000"),
        ("00B0970000", EF17, "9000"),
        ("00B0950022", "", "6C1E"),
        ("00B0951000", EF15[32:], "9000"),
        ("00B0951E00", "", "6B00"),
        ("00B0850000", "", "6A82"),
        ("00B0800000", "", "6986"),
        ("00B0000000", "", "6986"),
        ("00B0980000", "", "6981"),
        ("00B201AC00", "", "6981"),
        ("00B201C400", "", "6A83"),
        ("00B200C400", "", "6A83"),
        ("00B201C500", "", "6A86"),
        ("00B2010400", "", "6986"),
        ("00B2015400", "", "6A82"),
    ],
)
def test_t_union_files(card: Element, command: str, answer: str, status: str) -> None:
    data, seen = say(card, command)

    assert (data.hex().upper(), seen) == (answer.upper(), status)


def test_files_are_selected_by_identifier(card: Element) -> None:
    assert sw(card, "00A40000020015") == "9000"

    assert say(card, "00B0000A0A")[0].hex() == EF15[20:40].lower()
    assert say(card, "00B000000A")[0].hex().upper() == EF15[:20]
    assert [sw(card, f"00A4000002{name}") for name in ("1001", "3F00", "0004")] == ["6A82"] * 3
    assert sw(card, "00A40000010015"[:12]) == "6A80"
    assert sw(card, "00A40100020015") == "6A86"


def test_a_record_is_asked_for_in_its_own_length(card: Element) -> None:
    load(card)

    assert [sw(card, f"00B201C4{le}") for le in ("17", "00", "16")] == ["9000", "9000", "6C17"]
    assert sw(card, "00B201C4") == "9000"


@pytest.mark.parametrize(
    ("command", "answer", "status"),
    [
        ("805C000204", "00001388", "9000"),
        ("805C000200", "00001388", "9000"),
        ("805C010204", "00000000", "9000"),
        ("805C020204", "00000000", "9000"),
        ("805C030204", "00001388", "9000"),
        ("805C050210", "00001388" + "00" * 8 + "00001388", "9000"),
        ("805C000210", "", "6C04"),
        ("805C000104", "", "6A86"),
        ("805C040204", "", "6A86"),
    ],
)
@pytest.mark.parametrize("aid", [TUNION, TICL])
def test_balances(card: Element, aid: str, command: str, answer: str, status: str) -> None:
    load(card, 5000)
    select(card, aid)

    assert say(card, command) == (bytes.fromhex(answer), status)


def test_lingnantong_answers_as_recorded(card: Element) -> None:
    assert select(card, APPY) == (bytes.fromhex("6F0A8408" + APPY), "9000")
    assert say(card, "00B0950046") == (bytes.fromhex(LNT_EF15)[:70], "9000")
    assert say(card, "00B0950000") == (bytes.fromhex(LNT_EF15), "9000")
    assert say(card, "00B2014416") == (bytes.fromhex(LNT_EF08), "9000")
    assert sw(card, "805C000204") == "6985"

    fci = "6F348408" + TICL + "A5289F0801029F0C21" + LNT_9F0C
    assert select(card, TICL) == (bytes.fromhex(fci), "9000")
    assert sw(card, "00B0950000") == "6A82"


def test_the_lingnantong_tree_is_walked_by_identifier(card: Element) -> None:
    assert select(card, LINGNANTONG[:16])[0].hex().upper() == "6F128410" + LINGNANTONG
    assert sw(card, "805C000204") == "6985"
    assert sw(card, "00B0950000") == "6A82"

    assert say(card, "00A4000002DDF1") == (bytes.fromhex("6F0A8408" + APPY), "9000")
    assert say(card, "00B095001E")[0].hex() == LNT_EF15[:60].lower()
    assert say(card, "00A4000002ADF3")[1] == "9000"
    assert balance(card) == 0
    assert sw(card, "00A4000002ADF1") == "6A82"
    assert sw(card, "00A40000020018") == "9000"


def test_an_alias_forgets_when_it_is_left(card: Element) -> None:
    select(card, TICL)
    assert sw(card, "805000020B010000000158100000000110") == "9000"
    select(card, TUNION)
    select(card, LINGNANTONG)

    assert sw(card, "805200000B" + "00" * 11) == "6985"


def test_an_alias_can_be_torn_off(card: Element) -> None:
    select(card, TICL)

    card.reset()

    assert sw(card, "805C000204") == "6D00"


def test_a_phone_that_asked_for_the_list_sees_listed_applications_only() -> None:
    element = personalise(make(ppse_restricts=True))
    assert select(element, APPY)[1] == "9000"
    assert select(element, PPSE)[1] == "9000"

    after = [select(element, aid)[1] for aid in (APPY, TICL, TUNION[:16], PPSE, "D156000158534400")]
    element.reset()

    assert after == ["6A82", "6A82", "9000", "9000", "9000"]
    assert select(element, APPY)[1] == "9000"


@pytest.mark.parametrize("command", ["01A4040000", "8370000000", "0070000001"])
def test_there_is_one_logical_channel(card: Element, command: str) -> None:
    assert sw(card, command) == "6881"


@pytest.mark.parametrize(
    "command", ["", "00", "00A404", "00A4040008A0", "00A40400000008", "00A4040001A00000"]
)
def test_broken_commands_are_6700(card: Element, command: str) -> None:
    assert sw(card, command) == "6700"


def test_answers_wait_for_get_response_when_asked_to() -> None:
    element = personalise_over_t0()
    announced, status = say(element, "00A40400" + lv(TUNION))

    assert (announced, status) == (b"", "613B")
    assert say(element, "00C000003B")[0].hex().upper().endswith(EF15)
    assert sw(element, "00C0000000") == "6985"
    assert say(element, "00B095001E") == (bytes.fromhex(EF15), "9000")


def personalise_over_t0() -> Element:
    """A card personalised as usual, then put into a contact reader."""
    element = personalise(make())
    element.options = replace(element.options, response_by_61xx=True)
    return element
