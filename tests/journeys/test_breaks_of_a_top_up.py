"""Whatever breaks while money is on its way, the card gets it once and the order says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ota.sandbox import batch as batches
from ota.sandbox.api import Refused
from ota.sandbox.discovery import card_opening
from ota.sandbox.element import CREDIT, Element, Instant
from ota.sandbox.outbox import Outbox
from ota.sandbox.phone import Mishaps, Vanished
from ota.sandbox.reader import Reader
from ota.sandbox.transport import ElementTransport
from tests.journeys.world import World, WsgiConnection, face_of

AMOUNT = 2500
COMMANDS = 6
"""SELECT and balance by the phone; SELECT, INITIALIZE, CREDIT and balance by the platform."""


def open_order(world: World, card: Element) -> dict[str, Any]:
    """A paid order with its session, as the wallet's server gets it."""
    return world.wallet().order_topup(face_of(card).card_no, AMOUNT, card_opening())


def report_on(card: Element, answer: dict[str, Any]) -> tuple[batches.Batch, batches.Report]:
    batch = batches.read_batch(answer)
    results, stopped_at, error = batches.run(Reader(ElementTransport(card)), batch.orders)
    return batch, batches.report_of(batch, results, stopped_at, error)


def assert_loaded_once(world: World, card: Element) -> None:
    """What the card shows and what the platform says agree: the money arrived once, nothing is open."""
    face = face_of(card)
    assert face.balance_fen == AMOUNT
    assert world.wallet().unfinished_topups(face.card_no) == []
    assert world.wallet().card(face.card_no)["next_online_atc"] == 1


def test_answers_that_get_lost_are_asked_for_again_with_the_same_report(world: World, card: Element) -> None:
    connection = WsgiConnection(world.platform, lose={2, 4, 6})  # the order and both reports

    loaded = world.user(card, connection=connection).top_up(AMOUNT)

    assert loaded.ok
    assert len(connection.requests) == 7
    assert_loaded_once(world, card)


def test_a_repeated_report_changes_nothing(world: World, card: Element) -> None:
    loaded = world.user(card, mishaps=Mishaps(repeat_reports=True)).top_up(AMOUNT)

    assert loaded.ok
    assert_loaded_once(world, card)


def test_the_same_report_gets_the_same_answer(world: World, card: Element) -> None:
    session = open_order(world, card)["session"]
    path = f"/v1/sessions/{session['session_id']}/results"
    _, report = report_on(card, session["batch"])

    first = world.api().post(path, session["token"], report)
    second = world.api().post(path, session["token"], report)

    assert second == first


@pytest.mark.parametrize("off_by", [-1, 1, 7])
def test_a_report_for_another_batch_is_refused_and_the_right_one_still_taken(
    world: World, card: Element, off_by: int
) -> None:
    session = open_order(world, card)["session"]
    path = f"/v1/sessions/{session['session_id']}/results"
    _, report = report_on(card, session["batch"])
    wrong = report | {"seq": report["seq"] + off_by}
    if wrong["seq"] < 1:
        wrong["seq"] = 99

    with pytest.raises(Refused) as caught:
        world.api().post(path, session["token"], wrong)

    assert (caught.value.status, caught.value.code) == (409, "sequence_conflict")
    assert caught.value.problem["details"]["seq"] == report["seq"]
    assert world.api().post(path, session["token"], report)["state"] == "continue"


def test_another_report_for_a_batch_that_was_reported_is_refused(world: World, card: Element) -> None:
    session = open_order(world, card)["session"]
    path = f"/v1/sessions/{session['session_id']}/results"
    batch, report = report_on(card, session["batch"])
    world.api().post(path, session["token"], report)

    with pytest.raises(Refused) as caught:
        world.api().post(path, session["token"], batches.report_of(batch, [], None, "timeout"))

    assert (caught.value.status, caught.value.code) == (409, "sequence_conflict")


def test_another_process_goes_on_with_the_session(world: World, card: Element) -> None:
    user = world.user(card, watch=lambda _batch, _answer: world.platform.restart())

    loaded = user.top_up(AMOUNT)

    assert loaded.ok
    assert_loaded_once(world, card)


@pytest.mark.parametrize("command", range(3, COMMANDS + 1))
@pytest.mark.parametrize("before", [True, False])
def test_a_card_torn_at_any_command_is_loaded_once_in_the_end(
    world: World, card: Element, command: int, before: bool
) -> None:
    (card.faults.cut_before if before else card.faults.cut_after)(command)

    torn = world.user(card).top_up(AMOUNT)
    resumed = world.user(card).resume()

    assert torn.ending.state == (
        "done" if command == COMMANDS else "uncertain"
    )  # after the TAC all is proven
    assert resumed.ok
    assert_loaded_once(world, card)


@pytest.mark.parametrize("instant", list(Instant))
def test_a_card_torn_inside_the_credit_is_loaded_once_in_the_end(
    world: World, card: Element, instant: Instant
) -> None:
    card.faults.cut_inside(CREDIT, instant)

    torn = world.user(card).top_up(AMOUNT)
    balance = face_of(card).balance_fen
    resumed = world.user(card).resume()

    assert torn.ending.outcome["money"] == "decided_at_next_contact"
    assert balance == (0 if instant is Instant.BEFORE_WRITE else AMOUNT)
    assert [errand.ending.state for errand in resumed.errands] == ["done"]
    assert_loaded_once(world, card)


@pytest.mark.parametrize("remembers", [True, False])
@pytest.mark.parametrize(
    "mishaps", [*(Mishaps(drop_after=n) for n in range(1, 5)), *(Mishaps(lose_report=n) for n in (1, 2))]
)
def test_a_phone_that_died_finishes_when_the_app_is_opened_again(
    world: World, card: Element, tmp_path: Path, mishaps: Mishaps, remembers: bool
) -> None:
    state = tmp_path / "phone.json" if remembers else None

    with pytest.raises(Vanished):
        world.user(card, mishaps=mishaps, outbox=Outbox(state)).top_up(AMOUNT)
    resumed = world.user(card, outbox=Outbox(state)).resume()

    assert resumed.ok
    assert_loaded_once(world, card)


def test_a_kept_report_of_a_finished_load_needs_one_exchange(
    world: World, card: Element, tmp_path: Path
) -> None:
    outbox = tmp_path / "phone.json"
    with pytest.raises(Vanished):
        world.user(card, mishaps=Mishaps(lose_report=2), outbox=Outbox(outbox)).top_up(AMOUNT)

    resumed = world.user(card, outbox=Outbox(outbox)).resume()

    assert [errand.ending.exchanges for errand in resumed.errands] == [1]
    assert not outbox.exists()
    assert_loaded_once(world, card)


def test_a_load_in_doubt_is_resolved_in_two_exchanges(world: World, card: Element) -> None:
    with pytest.raises(Vanished):
        world.user(card, mishaps=Mishaps(lose_report=2)).top_up(AMOUNT)

    resumed = world.user(card).resume()

    assert [errand.ending.exchanges for errand in resumed.errands] == [2]
    assert_loaded_once(world, card)


def test_a_phone_that_tears_its_card_every_time_gets_there_at_last(world: World, card: Element) -> None:
    user = world.user(card, mishaps=Mishaps(tear_after=2))
    user.top_up(AMOUNT)

    for tear_after in (2, 3):
        world.user(card, mishaps=Mishaps(tear_after=tear_after)).resume()
    resumed = world.user(card).resume()

    assert resumed.ok
    assert_loaded_once(world, card)


def test_a_second_phone_cannot_load_the_same_money_twice(world: World, card: Element) -> None:
    order = open_order(world, card)
    _, report = report_on(card, order["session"]["batch"])
    path = f"/v1/sessions/{order['session']['session_id']}/results"
    credit = world.api().post(path, order["session"]["token"], report)

    world.user(card).resume()  # another phone with the same card takes over and finishes
    late = Reader(ElementTransport(card)).send(credit["commands"][0]["apdu"])

    assert late.sw_hex != "9000"
    assert_loaded_once(world, card)
