from __future__ import annotations

import pytest

from ota.sandbox.element import Element
from tests.sandbox.element.cards import (
    APPY,
    LINGNANTONG,
    PACKAGE,
    PPSE,
    TICL,
    TUNION,
    begin_load,
    install,
    load,
    lv,
    make,
    select,
)
from tests.sandbox.element.host import Channel, open_channel, sw


@pytest.fixture
def ours(blank: Element) -> Channel:
    """A session to our security domain of a blank element."""
    return open_channel(blank, blank.security_domains[1])


def delete(channel: Channel, aid: str) -> str:
    return channel.send("80E40000" + lv("4F" + lv(aid)) + "00")[1]


def test_an_installed_application_can_be_selected(blank: Element, ours: Channel) -> None:
    assert install(ours, TUNION) == "9000"

    assert select(blank, TUNION)[1] == "9000"


def test_install_answers_an_empty_receipt(ours: Channel) -> None:
    fields = lv(PACKAGE) + lv(PACKAGE + "01") + lv(TUNION) + "0100" + lv("C900") + "00"

    assert ours.send("80E60C00" + lv(fields) + "00") == (b"\x00", "9000")


def test_install_alone_does_not_make_selectable(blank: Element, ours: Channel) -> None:
    fields = lv(PACKAGE) + lv(PACKAGE + "01") + lv(TUNION) + "0100" + lv("C900") + "00"
    selectable = "00" + "00" + lv(TUNION) + "0100" + "00" + "00"
    assert ours.send("80E60400" + lv(fields))[1] == "9000"
    assert select(blank, TUNION)[1] == "6A82"
    again = open_channel(blank, blank.security_domains[1])

    assert again.send("80E60800" + lv(selectable))[1] == "9000"

    assert select(blank, TUNION)[1] == "9000"


@pytest.mark.parametrize(
    ("package", "module", "aid", "rest", "status"),
    [
        ("D15600015847444399", PACKAGE + "01", TUNION, "010002C90000", "6A88"),
        (PACKAGE, PACKAGE + "09", TUNION, "010002C90000", "6A88"),
        (PACKAGE, PACKAGE + "01", "A0000006", "010002C90000", "6A80"),
        (PACKAGE, PACKAGE + "01", TUNION, "02000002C90000", "6A80"),
        (PACKAGE, PACKAGE + "01", TUNION, "0100", "6A80"),
        (PACKAGE, PACKAGE + "01", TUNION, "010004C90500", "6A80"),
        (PACKAGE, PACKAGE + "01", "D156000158534400", "010002C90000", "6985"),
        (PACKAGE, PACKAGE + "02", LINGNANTONG, "010009C9078105A00000000100", "6A88"),
        (PACKAGE, PACKAGE + "02", APPY, "010006C9048202DDF900", "6A80"),
    ],
)
def test_install_refuses_what_it_does_not_know(
    ours: Channel, package: str, module: str, aid: str, rest: str, status: str
) -> None:
    assert ours.send("80E60C00" + lv(lv(package) + lv(module) + lv(aid) + rest) + "00")[1] == status


def test_system_parameters_are_accepted(ours: Channel) -> None:
    assert install(ours, TUNION, "C900EF0DA008810101A5038201C0CF0180") == "9000"
    assert install(ours, PPSE, "C900", privileges="000000") == "9000"


def test_the_same_instance_cannot_be_installed_twice(ours: Channel) -> None:
    install(ours, TUNION)

    assert install(ours, TUNION) == "6985"


def test_a_full_element_answers_6a84() -> None:
    element = make(memory=10_000)
    channel = open_channel(element, element.security_domains[1])

    assert install(channel, TUNION) == "9000"
    assert install(channel, LINGNANTONG) == "6A84"
    assert delete(channel, TUNION) == "9000"
    assert install(channel, LINGNANTONG) == "9000"


def test_other_kinds_of_install_are_refused(ours: Channel) -> None:
    assert ours.send("80E6100003000000")[1] == "6A86"


def test_delete_tells_what_is_absent(ours: Channel) -> None:
    assert delete(ours, TUNION) == "6A88"
    assert ours.send("80E400000400000000")[1] == "6A80"
    assert ours.send("80E400100A4F08A00000000000000000")[1] == "6A86"


@pytest.mark.parametrize("aid", [PACKAGE, "A000000151000000", "D156000158534400"])
def test_what_came_with_the_chip_stays(ours: Channel, aid: str) -> None:
    assert delete(ours, aid) == "6985"


def test_what_another_instance_needs_goes_last(card: Element) -> None:
    channel = open_channel(card, card.security_domains[1])

    refused = [delete(channel, aid) for aid in (TUNION, LINGNANTONG)]
    done = [delete(channel, aid) for aid in (APPY, TICL, LINGNANTONG, TUNION, PPSE)]

    assert refused == ["6985", "6985"]
    assert done == ["9000"] * 5


def test_a_deleted_application_takes_its_money_along(card: Element) -> None:
    load(card)
    channel = open_channel(card, card.security_domains[1])
    for aid in (APPY, TICL, LINGNANTONG, TUNION):
        delete(channel, aid)

    assert select(card, TUNION)[1] == "6A82"
    assert install(open_channel(card, card.security_domains[1]), TUNION) == "9000"
    assert select(card, TUNION)[1] == "9000"
    assert sw(card, "805C000204") == "6985"


def test_the_issuer_may_delete_everything_and_we_only_ours(card: Element) -> None:
    issuer = open_channel(card, card.security_domains[0])
    fields = lv(PACKAGE) + lv(PACKAGE + "01") + lv("A00000063201010599") + "0100" + "02C900" + "00"
    assert issuer.send("80E60C00" + lv(fields))[1] == "9000"
    assert delete(issuer, PPSE) == "9000"

    ours = open_channel(card, card.security_domains[1])

    assert delete(ours, "A00000063201010599") == "6985"


def test_an_alias_without_its_application_leads_nowhere(blank: Element, ours: Channel) -> None:
    assert install(ours, APPY, "C9048202DDF1") == "9000"

    assert select(blank, APPY)[1] == "6A82"
    assert delete(open_channel(blank, blank.security_domains[1]), APPY) == "9000"


def test_a_locked_application_is_not_found_until_it_is_unlocked(card: Element) -> None:
    channel = open_channel(card, card.security_domains[1])
    assert channel.send("80F04080" + lv(TUNION))[1] == "9000"
    assert select(card, TUNION)[1] == "6A82"

    channel = open_channel(card, card.security_domains[1])
    assert channel.send("80F04000" + lv(TUNION))[1] == "9000"

    assert select(card, TUNION)[1] == "9000"
    assert begin_load(card).answer


def test_set_status_knows_applications_only(ours: Channel) -> None:
    assert ours.send("80F0800F08A000000151000000")[1] == "6A86"
    assert ours.send("80F0408008A000000632010105")[1] == "6A88"
