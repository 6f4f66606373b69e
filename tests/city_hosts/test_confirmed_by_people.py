"""Loads at a city's host that two people confirmed: the city hears what the card proves, and what is taken back."""

from __future__ import annotations

import pytest

from ota.core.values import CardNumber
from ota.registry import cards
from ota.sandbox.city_host import Fault
from ota.service_desk.states import Action
from tests.books import checked
from tests.city_hosts.installation import Card, Province
from tests.elements import balance
from tests.platform import problem
from tests.service_desk.test_decisions import Desk


@pytest.fixture
def desk(province: Province, card: Card) -> Desk:
    return Desk(province, element=card.element, card_no=card.number)


def sweep(province: Province) -> None:
    province.built.runner.sweep()
    province.run_jobs()


def told_by_an_earlier_version(province: Province) -> None:
    """The city was told that the load is in the purse as soon as people had said so."""
    for load in province.host.loads.values():
        load.state = "loaded"
    province.change("UPDATE hosted_load SET state = 'confirmed'")


def test_the_word_of_people_is_not_told_to_the_city_as_the_cards_proof(
    province: Province, desk: Desk
) -> None:
    desk.decided(Action.CONFIRM_LOAD, desk.uncertain(credited=True), proof="seen on the card")

    sweep(province)

    assert (province.hosted(), province.at_the_host()) == (["granted"], ["authorised"])
    assert "confirm" not in province.host.heard


def test_the_city_hears_of_it_before_the_next_load_once_the_card_has_moved_on(
    province: Province, desk: Desk
) -> None:
    desk.decided(Action.CONFIRM_LOAD, desk.uncertain(credited=True), proof="seen on the card")
    sweep(province)

    ending = desk.contact().finish()

    assert (ending["state"], balance(desk.element)) == ("done", 8000)
    assert province.host.heard.index("confirm") < len(province.host.heard) - 1
    assert (province.hosted(), province.at_the_host()) == (["confirmed"] * 2, ["loaded"] * 2)
    assert checked(province).differences == []


def test_a_confirmation_that_is_taken_back_is_void_at_the_city(province: Province, desk: Desk) -> None:
    order_id = desk.uncertain(credited=False)
    desk.decided(Action.CONFIRM_LOAD, order_id, proof="seen by mistake")
    sweep(province)
    ending = desk.contact().finish()

    desk.decided(Action.REVERSE_CONFIRMATION, order_id)
    province.run_jobs()

    assert ending["problem"]["code"] == "card_frozen"
    assert (province.topup_state(order_id), province.attempts()) == ("paid", ["dead"])
    assert (province.hosted(), province.at_the_host()) == (["void"], ["void"])


def test_its_money_is_loaded_once_in_both_platforms_books(province: Province, desk: Desk) -> None:
    order_id = desk.uncertain(credited=False)
    desk.decided(Action.CONFIRM_LOAD, order_id, proof="seen by mistake")
    sweep(province)
    desk.contact().finish()
    desk.decided(Action.REVERSE_CONFIRMATION, order_id)
    desk.decided(Action.RELEASE_CARD, desk.card_no)

    ending = province.open(order_id, desk.element).finish()

    assert (ending["state"], balance(desk.element)) == ("done", 5000)
    assert (province.hosted(), province.at_the_host()) == (["void", "confirmed"], ["void", "loaded"])
    assert checked(province).differences == []


def test_the_void_is_forwarded_until_the_city_takes_it(province: Province, desk: Desk) -> None:
    order_id = desk.uncertain(credited=False)
    desk.decided(Action.CONFIRM_LOAD, order_id, proof="seen by mistake")
    desk.contact().finish()
    province.host.plan("void", Fault.DOWN, Fault.LATE)

    desk.decided(Action.REVERSE_CONFIRMATION, order_id)
    seen = [province.hosted()]
    for _ in range(3):
        province.run_jobs()
        seen.append(province.hosted())
        province.clock.advance(minutes=15)

    assert seen == [["voiding"], ["voiding"], ["voiding"], ["void"]]


def test_a_city_that_had_been_told_of_the_load_and_keeps_it_freezes_the_card(
    province: Province, desk: Desk
) -> None:
    order_id = desk.uncertain(credited=False)
    desk.decided(Action.CONFIRM_LOAD, order_id, proof="seen by mistake")
    told_by_an_earlier_version(province)
    desk.contact().finish()
    desk.decided(Action.REVERSE_CONFIRMATION, order_id)
    desk.decided(Action.RELEASE_CARD, desk.card_no)

    province.run_jobs()
    refused = province.try_open(order_id, desk.element)

    assert (province.hosted(), province.topup_state(order_id)) == (["disputed"], "paid")
    assert (refused.json or {})["code"] == "card_frozen"
    assert balance(desk.element) == 0


def test_a_city_that_keeps_the_load_when_the_next_one_is_asked_for_gives_no_mac2(
    province: Province, desk: Desk
) -> None:
    order_id = desk.uncertain(credited=False)
    desk.decided(Action.CONFIRM_LOAD, order_id, proof="seen by mistake")
    told_by_an_earlier_version(province)
    desk.contact().finish()
    desk.decided(Action.REVERSE_CONFIRMATION, order_id)
    desk.decided(Action.RELEASE_CARD, desk.card_no)

    conversation = province.open(order_id, desk.element)  # before the job that forwards the void
    refused = conversation.hand_in(conversation.run())
    again = province.try_open(order_id, desk.element)

    assert (problem(refused)[1], problem(again)[1]) == ("city_host_unavailable", "card_frozen")
    assert (province.hosted(), province.topup_state(order_id)) == (["disputed", "unheard"], "paid")
    assert balance(desk.element) == 0


def test_a_release_of_before_the_citys_contradiction_is_outdated(province: Province, desk: Desk) -> None:
    order_id = desk.uncertain(credited=False)
    desk.decided(Action.CONFIRM_LOAD, order_id, proof="seen by mistake")
    told_by_an_earlier_version(province)
    desk.contact().finish()
    release = desk.proposed(Action.RELEASE_CARD, desk.card_no)  # for counter_not_moved
    desk.decided(Action.REVERSE_CONFIRMATION, order_id)
    province.run_jobs()  # the city insists

    late = desk.answer(release)

    (card,) = province.rows("SELECT state, frozen_reason FROM card")
    assert problem(late) == (409, "decision_outdated")
    assert (card.state, card.frozen_reason) == ("frozen", "city_host_contradicts")
    assert problem(province.try_open(order_id, desk.element))[1] == "card_frozen"


def test_a_tac_that_waits_for_the_city_goes_before_the_word_of_people(province: Province, desk: Desk) -> None:
    phone = province.open(str(province.order_topup(desk.card_no)["order_id"]), desk.element)
    phone.step()
    province.host.plan("confirm", Fault.DOWN)
    phone.step()
    (attempt,) = province.rows("SELECT order_id FROM load_attempt")
    province.change("UPDATE outbox SET due_at = '2027-01-01 00:00:00' WHERE job = 'tell_city_host'")
    province.clock.advance(minutes=3)
    province.run_jobs()
    desk.decided(Action.CONFIRM_LOAD, attempt.order_id, proof="seen on the card")

    province.clock.advance(days=60)
    province.run_jobs()

    (row,) = province.rows("SELECT state, tac FROM hosted_load")
    assert row.state == "confirmed"
    assert row.tac is not None


def test_the_city_hears_of_it_though_the_contact_that_saw_it_went_no_further(
    province: Province, desk: Desk
) -> None:
    desk.decided(Action.CONFIRM_LOAD, desk.uncertain(credited=True), proof="seen on the card")
    order_id = str(province.order_topup(desk.card_no)["order_id"])
    contact = province.open(order_id, desk.element)
    report = contact.run()
    province.post(f"/v1/topups/{order_id}/refund")  # nothing more is asked of the city

    contact.hand_in(report)
    between = province.hosted()
    sweep(province)

    assert (between, province.topup_state(order_id)) == (["granted"], "refunding")
    assert (province.hosted(), province.at_the_host()) == (["confirmed"], ["loaded"])


def test_where_others_load_too_a_moved_counter_is_not_told_as_the_cards_proof(
    open_province: Province, card: Card
) -> None:
    desk = Desk(open_province, element=card.element, card_no=card.number)
    desk.decided(Action.CONFIRM_LOAD, desk.uncertain(credited=True), proof="seen by mistake")

    ending = desk.contact().finish()
    sweep(open_province)

    assert (
        ending["problem"]["code"] == "city_host_refused"
    )  # the load is still open there, and its people end it
    assert (open_province.hosted(), open_province.at_the_host()) == (
        ["granted", "refused"],
        ["authorised", "unheard"],
    )
    assert "confirm" not in open_province.host.heard


def test_a_load_before_a_restore_is_not_borne_out_by_a_counter(province: Province, desk: Desk) -> None:
    desk.decided(Action.CONFIRM_LOAD, desk.uncertain(credited=True), proof="seen on the card")
    province.change("UPDATE load_attempt SET restore_id = 'res_1'")

    desk.contact().finish()
    sweep(province)

    assert province.hosted() == ["granted", "refused"]


@pytest.mark.parametrize(("credited", "theirs"), [(True, "loaded"), (False, "void")])
def test_a_load_that_two_people_gave_up_ends_at_the_city_when_its_card_is_met(
    province: Province, desk: Desk, credited: bool, theirs: str
) -> None:
    order_id = desk.uncertain(credited=credited)
    desk.decided(Action.WRITE_OFF, order_id)
    with province.built.store.begin() as tx:
        known = cards.find(tx, CardNumber(desk.card_no))
        assert known is not None
        cards.freeze(tx, known, "counter_jumped", province.clock.now())
    desk.decided(Action.RELEASE_CARD, desk.card_no)

    ending = desk.contact().finish()

    assert ending["state"] == "done"
    assert province.at_the_host() == [theirs, "loaded"]
    assert checked(province).differences == []
