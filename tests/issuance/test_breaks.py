"""The power goes at every command; the next contact finds the card complete, or builds it with the same number."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ota.sandbox.element.card_os import Element
from tests.elements import balance, blank, collected, instances, tunion
from tests.phone import Reply, forging, silent
from tests.platform import Platform

COMMANDS = 33
"""SELECT, INITIALIZE UPDATE, EXTERNAL AUTHENTICATE, then the card: all in the first batch of a predicted channel."""


def broken_issuance(platform: Platform, element: Element) -> str:
    """An order whose first session lost the card."""
    order_id = str(platform.order_card(element)["order_id"])
    talk = platform.open(order_id, element, precollected=collected(element))
    assert len(talk.notes) == COMMANDS

    ending = talk.finish()

    assert (ending["state"], ending["problem"]["code"]) == ("uncertain", "element_silent")
    assert ending["problem"]["next_action"] == "resume"
    return order_id


def with_a_cut(after: int) -> Element:
    element = blank("03", 0x70)
    element.faults.cut_after(after + len(collected(element)))  # the wallet asks the same again when it opens
    element.reset()
    return element


@pytest.mark.parametrize("after", range(1, COMMANDS + 1))
def test_a_card_torn_after_any_command_is_finished_at_the_next_contact(
    platform: Platform, after: int
) -> None:
    element = with_a_cut(after)
    order_id = broken_issuance(platform, element)
    between = platform.issuance_state(order_id)

    ending = platform.open(order_id, element).finish()

    assert between == "uncertain"
    assert ending["outcome"]["state"] == "active"
    assert len(instances(element)) == 5
    assert platform.rows("SELECT state, count(*) FROM card_number WHERE state <> 'free' GROUP BY state") == [
        ("bound", 1)
    ]


def test_a_card_that_was_complete_is_found_by_looking_at_it(any_platform: Platform) -> None:
    element = with_a_cut(COMMANDS)
    order_id = broken_issuance(any_platform, element)
    made = instances(element)

    talk = any_platform.open(order_id, element)
    ending = talk.finish()

    assert ending["outcome"]["state"] == "active"
    assert len(talk.reports) == 1
    assert instances(element) == made
    assert any_platform.top_up(ending["outcome"]["card_no"], element)["outcome"]["state"] == "loaded"


def test_a_card_is_entered_with_the_counter_that_it_has_proven(platform: Platform) -> None:
    """Not with that of a card as we think it is made: the purse of another maker may begin elsewhere."""
    element = blank()
    order_id = platform.order_card(element)["order_id"]
    talk = platform.open(order_id, element)
    talk.step()
    talk.run()
    purse = tunion(element).purse
    purse.state = replace(purse.state, online_counter=7)

    platform.open(order_id, element).finish()

    assert platform.rows("SELECT last_atc FROM card") == [(7,)]


def test_looking_in_vain_costs_no_further_exchange(platform: Platform) -> None:
    element = with_a_cut(20)
    order_id = broken_issuance(platform, element)

    talk = platform.open(order_id, element)
    ending = talk.finish()

    assert ending["outcome"]["state"] == "active"
    assert len(talk.reports) == 2


@pytest.mark.parametrize(
    ("wanted", "forged"),
    [
        ("00B0950046", b"\x90\x00"),
        ("805000020B", bytes(16) + b"\x90\x00"),
        ("805000020B", b"\x69\x85"),
        ("805C000204", b"\x00\x00\x00\x01\x90\x00"),
    ],
)
def test_a_phone_cannot_talk_a_card_into_being_complete(
    platform: Platform, wanted: str, forged: bytes
) -> None:
    element = with_a_cut(COMMANDS)
    order_id = broken_issuance(platform, element)
    lying = forging(element, wanted, forged)

    talk = platform.open(order_id, element, reply=lying)
    talk.step()
    between = platform.issuance_state(order_id)
    talk.reply = element.transmit
    ending = talk.finish()

    assert between == "uncertain"
    assert ending["outcome"]["state"] == "active"


@pytest.mark.parametrize("sw", [0x6A82, 0x6283])
def test_a_security_domain_that_is_gone_at_the_next_contact_is_told(platform: Platform, sw: int) -> None:
    element = with_a_cut(10)
    order_id = broken_issuance(platform, element)
    knocked = "00A4040008D1560001585344"

    ending = platform.open(order_id, element, reply=forging(element, knocked, sw.to_bytes(2, "big"))).finish()

    assert ending["state"] == "failed"
    assert ending["problem"]["details"] == {"command": "select", "sw": f"{sw:04X}"}
    assert platform.issuance_state(order_id) == "uncertain"


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_an_element_that_says_nothing_leaves_the_order_open(any_platform: Platform, steps: int) -> None:
    element = blank()
    order_id = any_platform.order_card(element)["order_id"]
    talk = any_platform.open(order_id, element, caps={"max_batch": 16})
    for _ in range(steps):
        talk.step()
    talk.reply = silent

    lost = talk.finish()
    ending = any_platform.open(order_id, element).finish()

    assert lost["state"] == "uncertain"
    assert ending["outcome"]["state"] == "active"


def test_a_lost_last_report_makes_no_second_card(any_platform: Platform) -> None:
    element = blank()
    order_id = any_platform.order_card(element)["order_id"]
    talk = any_platform.open(order_id, element)
    talk.step()
    talk.run()  # the card is made, the report never leaves the phone

    ending = any_platform.open(order_id, element).finish()
    late = talk.step()

    assert ending["outcome"]["state"] == "active"
    assert late.status_code == 409
    assert any_platform.rows("SELECT count(*) FROM card")[0][0] == 1


def forget_the_card(platform: Platform) -> None:
    """As if the element's card had come from elsewhere."""
    for table in ("card", "issuance_order"):
        platform.change(f"DELETE FROM {table}")  # noqa: S608


def test_what_another_order_left_on_the_element_is_removed(platform: Platform) -> None:
    element = blank()
    earlier = platform.issue(element)
    platform.top_up(earlier, element)
    forget_the_card(platform)

    card_no = platform.issue(element)

    assert card_no != earlier
    assert balance(element) == 0
    assert len(instances(element)) == 5


def test_half_a_card_of_another_order_is_removed(platform: Platform) -> None:
    element = with_a_cut(12)
    broken_issuance(platform, element)
    forget_the_card(platform)

    platform.issue(element)

    assert len(instances(element)) == 5


def test_leftovers_that_cannot_be_removed_stop_the_order_before_anything_is_written(
    platform: Platform,
) -> None:
    element = blank("02", 0x15)
    platform.issue(element)
    before = instances(element)
    forget_the_card(platform)
    refusing: Reply = forging(element, "84E4", b"\x69\x85")
    order_id = platform.order_card(element)["order_id"]

    ending = platform.open(order_id, element, reply=refusing).finish()

    assert ending["problem"]["code"] == "still_in_use"
    assert instances(element) == before
    assert platform.issuance_state(order_id) == "rolling_back"
