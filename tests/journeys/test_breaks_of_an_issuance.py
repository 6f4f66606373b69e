"""Whatever breaks while a card is made, the next contact makes it whole or clears it away."""

from __future__ import annotations

from pathlib import Path

import pytest

from ota.sandbox.api import Refused
from ota.sandbox.element import Element
from ota.sandbox.outbox import Outbox
from ota.sandbox.phone import Mishaps, Vanished
from tests.journeys.world import World, WsgiConnection, face_of, new_element

DISCOVERY = 7
"""Commands by which the phone gets to know its element, before the platform's first one."""
COMMANDS = 32
"""Commands of an issuance in one batch."""


def assert_one_card(world: World, element: Element) -> None:
    """The element bears one active card, which the platform knows; nothing is open."""
    face = face_of(element)
    assert world.wallet().card(face.card_no)["state"] == "active"
    assert world.wallet().unfinished_cards(element.se_id) == []
    assert face.balance_fen == 0


@pytest.mark.parametrize("command", range(1, COMMANDS + 1))
@pytest.mark.parametrize("before", [True, False])
def test_a_card_torn_at_any_command_becomes_active_in_the_end(
    province: World, element: Element, command: int, before: bool
) -> None:
    faults = element.faults
    (faults.cut_before if before else faults.cut_after)(DISCOVERY + command)

    torn = province.user(element).get_card("guangzhou")
    element.faults.clear()
    resumed = province.user(element).resume()

    assert (torn.ok, torn.ending.state) == (False, "uncertain")
    assert resumed.ok
    assert len(resumed.errands) == 1
    assert_one_card(province, element)


@pytest.mark.parametrize("scp", ["02", "03"])
@pytest.mark.parametrize("drop_after", [1, 3, 10, 20, 31, 32])
def test_a_phone_that_died_goes_on_when_the_app_is_opened_again(
    province: World, tmp_path: Path, drop_after: int, scp: str
) -> None:
    element = new_element(scp)
    outbox = tmp_path / "phone.json"
    with pytest.raises(Vanished):
        province.user(element, mishaps=Mishaps(drop_after=drop_after), outbox=Outbox(outbox)).get_card(
            "huizhou"
        )

    resumed = province.user(element, outbox=Outbox(outbox)).resume()

    assert resumed.ok
    assert_one_card(province, element)


def test_a_kept_report_of_a_finished_card_needs_one_exchange(
    world: World, element: Element, tmp_path: Path
) -> None:
    outbox = tmp_path / "phone.json"
    with pytest.raises(Vanished):
        world.user(element, mishaps=Mishaps(lose_report=1), outbox=Outbox(outbox)).get_card("huizhou")

    resumed = world.user(element, outbox=Outbox(outbox)).resume()

    assert [errand.ending.exchanges for errand in resumed.errands] == [1]
    assert_one_card(world, element)


def test_a_card_whose_last_report_is_lost_is_recognised_as_finished(world: World, element: Element) -> None:
    with pytest.raises(Vanished):
        world.user(element, mishaps=Mishaps(lose_report=1)).get_card("huizhou")
    number = face_of(element).card_no

    resumed = world.user(element).resume()

    assert resumed.ok
    assert face_of(element).card_no == number
    assert_one_card(world, element)


def test_a_first_load_that_broke_is_finished_with_its_card(world: World, element: Element) -> None:
    with pytest.raises(Vanished):
        world.user(element, mishaps=Mishaps(lose_report=2)).get_card("meizhou", first_load_fen=700)

    resumed = world.user(element).resume()

    face = face_of(element)
    assert resumed.ok
    assert face.balance_fen == 700
    assert world.wallet().unfinished_topups(face.card_no) == []


def test_another_process_goes_on_with_the_session(world: World) -> None:
    element = new_element("03", 0x60)  # challenges that cannot be predicted: more exchanges
    user = world.user(element, watch=lambda _batch, _answer: world.platform.restart())

    issued = user.get_card("maoming")

    assert issued.ok
    assert_one_card(world, element)


def test_lost_answers_and_repeated_reports_make_no_second_card(world: World, element: Element) -> None:
    connection = WsgiConnection(world.platform, lose={3, 5, 7})

    issued = world.user(element, connection=connection, mishaps=Mishaps(repeat_reports=True)).get_card(
        "maoming"
    )

    assert issued.ok
    assert_one_card(world, element)


@pytest.mark.parametrize(
    ("instruction", "sw"),
    [(0xE6, 0x6A84), (0xE2, 0x6A80), (0xE2, 0x6985), (0xE2, 0x6581), (0xE6, 0x6283), (0xE4, 0x6985)],
)
def test_an_element_that_refuses_a_step_is_cleared_and_takes_a_card_later(
    world: World, element: Element, instruction: int, sw: int
) -> None:
    element.faults.answer(instruction, sw)

    refused = world.user(element).get_card("jieyang")
    element.faults.clear()
    world.user(element).resume()
    open_orders = world.wallet().unfinished_cards(element.se_id)
    if world.wallet().eligibility("jieyang", element.se_id)["eligible"]:
        world.user(element).get_card("jieyang")

    assert not refused.ok
    assert refused.ending.problem is not None
    assert open_orders == []
    assert_one_card(world, element)


def test_two_failed_authentications_block_the_element_until_somebody_looks(world: World) -> None:
    element = new_element("03", 0x60)
    for _ in range(2):
        element.faults.answer(0x82, 0x6300)
        world.user(element).resume() if world.wallet().unfinished_cards(element.se_id) else world.user(
            element
        ).get_card("yunfu")

    with pytest.raises(Refused) as caught:
        world.user(element).resume()

    assert caught.value.code == "channel_blocked"
    assert caught.value.problem["next_action"] == "contact_service"


def test_a_wallet_cannot_order_a_second_card_for_an_element_under_way(world: World, element: Element) -> None:
    with pytest.raises(Vanished):
        world.user(element, mishaps=Mishaps(drop_after=5)).get_card("qingyuan")

    with pytest.raises(Refused) as caught:
        world.user(element).get_card("qingyuan")

    assert caught.value.code == "element_taken"
