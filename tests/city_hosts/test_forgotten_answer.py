"""A backup was made while a city's host was being asked: whether its MAC2 was passed on since, nobody here remembers."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import pytest

from ota.city_hosts import hosted
from ota.service_desk.states import Action
from tests.books import checked
from tests.city_hosts.installation import Card, Province
from tests.elements import balance
from tests.phone import Conversation
from tests.restores import Backup, backup
from tests.service_desk.test_decisions import Desk


@pytest.fixture
def desk(province: Province, card: Card) -> Desk:
    return Desk(province, element=card.element, card_no=card.number)


def asked(province: Province, card: Card) -> tuple[str, Conversation, Backup]:
    """An order whose MAC2 a phone holds, and the backup of the moment at which the host was asked for it."""
    order_id, phone = province.begin(card)
    copies: list[Backup] = []

    def copy(verb: str) -> None:
        if verb == "authorise":
            copies.append(backup(province))

    province.wire.meanwhile = copy
    phone.step()
    province.wire.meanwhile = lambda _verb: None
    assert province.hosted() == ["granted"]
    return order_id, phone, copies[0]


def restored(province: Province, copy: Backup) -> None:
    copy.restored()
    assert province.hosted() == ["asked"]
    swept(province)


def swept(province: Province) -> None:
    province.built.runner.sweep()
    province.run_jobs()


def test_a_load_that_its_card_took_since_is_not_withdrawn(province: Province, desk: Desk, card: Card) -> None:
    order_id, phone, copy = asked(province, card)
    phone.run()
    restored(province, copy)

    seen = province.hosted(), province.attempts(), province.at_the_host()
    desk.decided(Action.RELEASE_ORDER, order_id, proof="the wallet's list")
    ending = province.open(order_id, card.element).finish()
    swept(province)

    assert seen == (["granted"], ["uncertain"], ["authorised"])
    assert (ending["state"], balance(card.element)) == ("done", 5000)
    assert (province.hosted(), province.at_the_host()) == (["confirmed"], ["loaded"])
    assert (province.attempts(), checked(province).differences) == (["loaded"], [])


def credited(card: Card, said: dict[str, Any]) -> dict[str, str]:
    """What a terminal hands in once the card has taken a load."""
    answer = card.element.transmit(bytes.fromhex(said["apdu"]))
    return {"sw": answer[-2:].hex().upper(), "tac": answer[:4].hex()}


@pytest.mark.parametrize("moment", ["the host is asked", "the question is written down"])
def test_a_tac_proves_it_before_any_sweep(province: Province, card: Card, moment: str) -> None:
    copies: list[Backup] = []
    ask = hosted.ask

    def copied(*question: Any) -> bool:
        copies.append(backup(province))
        return ask(*question)

    def copy(verb: str) -> None:
        if verb == "authorise" and moment == "the host is asked":
            copies.append(backup(province))

    province.wire.meanwhile = copy
    with patch.object(hosted, "ask", copied if moment == "the question is written down" else ask):
        said = province.at_terminal(card).json or {}
    province.wire.meanwhile = lambda _verb: None
    told = credited(card, said)
    copies[0].restored()

    proven = province.post(f"/v1/terminals/loads/{said['load_id']}/result", told, by="terminal")

    assert (proven.status_code, (proven.json or {})["state"]) == (200, "loaded")
    assert (province.hosted(), province.at_the_host()) == (["confirmed"], ["loaded"])
    assert (balance(card.element), checked(province).differences) == (5000, [])


def test_one_that_its_card_did_not_take_is_void_once_the_card_says_so(
    province: Province, desk: Desk, card: Card
) -> None:
    order_id, _, copy = asked(province, card)
    restored(province, copy)

    desk.decided(Action.RELEASE_ORDER, order_id, proof="the wallet's list")
    ending = province.open(order_id, card.element).finish()
    province.run_jobs()

    assert (ending["state"], balance(card.element)) == ("done", 5000)
    assert (province.hosted(), province.at_the_host()) == (["void", "confirmed"], ["void", "loaded"])
    assert (province.attempts(), checked(province).differences) == (["dead", "loaded"], [])


def test_one_that_two_people_decide_about_is_told_to_nobody(
    province: Province, desk: Desk, card: Card
) -> None:
    order_id, phone, copy = asked(province, card)
    phone.run()
    restored(province, copy)

    desk.decided(Action.CONFIRM_LOAD, order_id, proof="the wallet's list")
    swept(province)
    next_one = desk.contact().finish()

    assert next_one["problem"]["code"] == "city_host_refused"  # until the city's people end the forgotten one
    assert (province.hosted(), province.at_the_host()[0]) == (["granted", "refused"], "authorised")
    assert (province.topup_state(order_id), checked(province).differences) == ("loaded", [])
