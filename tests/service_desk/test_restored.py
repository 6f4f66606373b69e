"""The database went back to an earlier moment: nothing is loaded or paid back twice, and people can end everything."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from ota.reports import suspense
from ota.service_desk.states import Action
from ota.topup.refund_port import RefundAnswer
from tests.books import balances, checked
from tests.elements import balance, blank, described
from tests.issuance.test_orders import FEE, FREE_EDIT
from tests.phone import Conversation
from tests.platform import MakePlatform, Platform, number, problem
from tests.restores import backup, tell
from tests.service_desk.test_decisions import Desk, any_desk, desk
from tests.terminal.reader import Reader

__all__ = ["any_desk", "desk"]

PROOF = "wallet's list"
AMOUNT = 5000


def with_card(desk: Desk) -> Desk:
    desk.card_no = desk.platform.issue(desk.element)
    return desk


def paid(desk: Desk) -> str:
    """A paid order of a card that was met before; the wallet has the money."""
    with_card(desk)
    return str(desk.platform.order_topup(desk.card_no)["order_id"])


def load(desk: Desk, order_id: str) -> None:
    assert desk.platform.open(order_id, desk.element).finish()["state"] == "done"
    desk.element.reset()


def state(desk: Desk, order_id: str) -> str:
    return desk.platform.topup_state(order_id)


def test_an_order_that_was_loaded_since_the_backup_is_not_loaded_again(desk: Desk) -> None:
    order_id = paid(desk)
    before = backup(desk.platform)
    load(desk, order_id)

    report = before.restored()
    refused = desk.platform.try_open(order_id, desk.element)
    desk.decided(Action.CONFIRM_LOAD, order_id, proof="receipt of the wallet")

    assert (report.orders, report.attempts, report.refunds) == (1, 0, 0)
    assert problem(refused) == (409, "topup_not_loadable")
    assert (state(desk, order_id), balance(desk.element)) == ("loaded", AMOUNT)
    assert balances(desk.platform) == {"channel:alipay": AMOUNT, "card_liability:5810": -AMOUNT}


def test_an_order_of_a_card_that_the_backup_never_met_waits_as_well(desk: Desk) -> None:
    """There is no counter that could contradict a second load."""
    order_id = paid(desk)
    desk.platform.change("UPDATE card SET last_atc = NULL")
    before = backup(desk.platform)
    load(desk, order_id)

    before.restored()
    resumed = Reader(desk.platform, desk.element).resume(desk.card_no)

    assert problem(resumed) == (404, "nothing_to_resume")
    assert (state(desk, order_id), balance(desk.element)) == ("held", AMOUNT)


def test_an_order_that_was_paid_back_since_the_backup_is_not_paid_back_again(desk: Desk) -> None:
    order_id = paid(desk)
    before = backup(desk.platform)
    desk.platform.post(f"/v1/topups/{order_id}/refund")
    desk.send(desk.refund_of(order_id)["refund_id"], RefundAnswer.DONE)

    before.restored()
    asked = desk.platform.post(f"/v1/topups/{order_id}/refund")
    desk.platform.clock.advance(days=8)
    desk.platform.built.runner.sweep()
    desk.decided(Action.RECORD_REFUND, order_id, proof="refund ref_1-1 of the wallet's list")
    desk.send(desk.refund_of(order_id)["refund_id"])

    assert problem(asked) == (409, "topup_not_refundable")
    assert state(desk, order_id) == "refunded"
    assert len(desk.wallet.sent) == 1  # before the restore
    assert balances(desk.platform) == {}


def test_an_order_to_which_nothing_happened_goes_on_when_two_people_have_looked(any_desk: Desk) -> None:
    order_id = paid(any_desk)
    tell(any_desk.platform)

    any_desk.decided(Action.RELEASE_ORDER, order_id, proof=PROOF)
    load(any_desk, order_id)

    assert (state(any_desk, order_id), balance(any_desk.element)) == ("loaded", AMOUNT)


def test_a_released_order_may_be_refunded(desk: Desk) -> None:
    order_id = paid(desk)
    tell(desk.platform)

    desk.decided(Action.RELEASE_ORDER, order_id, proof=PROOF)
    desk.platform.post(f"/v1/topups/{order_id}/refund")
    desk.send(desk.refund_of(order_id)["refund_id"], RefundAnswer.DONE)

    assert state(desk, order_id) == "refunded"
    assert desk.wallet.queried == []


@pytest.mark.parametrize("action", [Action.REFUND, Action.WRITE_OFF])
def test_two_people_may_also_refund_or_write_off_what_a_restore_holds(desk: Desk, action: Action) -> None:
    order_id = paid(desk)
    tell(desk.platform)

    desk.decided(action, order_id)

    assert state(desk, order_id) == {"refund": "refunding"}.get(action, "written_off")


# Loads whose outcome was open at the backup ----------------------------------------------------------------------------


def taken_over(desk: Desk) -> tuple[str, str]:
    """An order in doubt whose load came to nothing since, and another one that was loaded at the same counter."""
    first = desk.uncertain(credited=False)
    before = backup(desk.platform)
    load(desk, first_of := str(desk.platform.order_topup(desk.card_no, 3000)["order_id"]))
    before.restored()
    return first, first_of


def test_a_counter_does_not_prove_a_load_of_before_the_restore(desk: Desk) -> None:
    first, _ = taken_over(desk)

    ending = desk.contact(700).finish()

    assert ending["problem"]["code"] == "load_still_uncertain"
    assert (state(desk, first), desk.attempts()) == ("held", ["uncertain"])


def test_a_counter_that_did_not_move_disproves_the_load_and_frees_no_money(desk: Desk) -> None:
    """It may have gone back since the backup."""
    order_id = desk.uncertain(credited=False)
    tell(desk.platform)

    ending = desk.contact(700).finish()

    assert ending["state"] == "done"
    assert (state(desk, order_id), desk.attempts()) == ("held", ["dead", "loaded"])


def test_the_cards_own_journal_proves_a_load_of_before_the_restore(desk: Desk) -> None:
    order_id = desk.uncertain(credited=True)
    tell(desk.platform)

    ending = desk.contact(700).finish()

    assert ending["state"] == "done"
    assert (state(desk, order_id), balance(desk.element)) == ("loaded", AMOUNT + 700)


def test_a_released_order_whose_load_may_be_out_waits_for_its_card(desk: Desk) -> None:
    order_id = desk.uncertain(credited=False)
    tell(desk.platform)

    desk.decided(Action.RELEASE_ORDER, order_id, proof=PROOF)
    released = state(desk, order_id)
    load(desk, order_id)

    assert released == "uncertain"
    assert (desk.attempts(), balance(desk.element)) == (["dead", "loaded"], AMOUNT)


def test_a_load_that_another_one_took_the_counter_of_is_recorded_as_paid_back(desk: Desk) -> None:
    first, _ = taken_over(desk)

    desk.decided(Action.RECORD_REFUND, first, proof=PROOF)
    ending = desk.contact(700).finish()

    assert ending["state"] == "done"
    assert (state(desk, first), desk.attempts()) == ("refunded", ["given_up", "loaded"])


def test_a_confirmed_load_is_booked_on_the_attempt_that_is_known(desk: Desk) -> None:
    order_id = desk.uncertain(credited=True)
    tell(desk.platform)

    desk.decided(Action.CONFIRM_LOAD, order_id, proof=PROOF)
    ending = desk.contact(700).finish()

    assert ending["state"] == "done"
    assert (state(desk, order_id), desk.attempts()) == ("loaded", ["loaded", "loaded"])


def test_what_people_gave_up_before_the_restore_is_not_proven_by_a_counter(desk: Desk) -> None:
    order_id = desk.uncertain(credited=False)
    desk.decided(Action.WRITE_OFF, order_id)
    before = backup(desk.platform)
    load(desk, str(desk.platform.order_topup(desk.card_no, 3000)["order_id"]))

    before.restored()
    ending = desk.contact(700).finish()

    assert ending["state"] == "done"
    assert (state(desk, order_id), desk.attempts()) == ("written_off", ["given_up", "loaded"])


def test_an_order_that_was_held_before_the_backup_is_not_released(desk: Desk) -> None:
    order_id = desk.uncertain(credited=False)
    desk.platform.change("UPDATE load_attempt SET online_atc = online_atc + 7")
    desk.contact(700).finish()
    assert state(desk, order_id) == "held"
    tell(desk.platform)

    assert problem(desk.propose(Action.RELEASE_ORDER, order_id, proof=PROOF)) == (409, "not_in_this_state")


@pytest.mark.parametrize("action", [Action.RELEASE_ORDER, Action.RECORD_REFUND])
def test_what_no_restore_holds_is_neither_released_nor_recorded_as_paid_back(
    desk: Desk, action: Action
) -> None:
    order_id = paid(desk)

    assert problem(desk.propose(action, order_id, proof=PROOF)) == (409, "not_in_this_state")


# What the backup does not know ------------------------------------------------------------------------------------------


def forgotten(desk: Desk) -> tuple[str, dict[str, Any]]:
    """An order that was made and loaded since the backup, and what its wallet sends again."""
    with_card(desk)
    before = backup(desk.platform)
    body = {"card_no": desk.card_no, "amount_fen": AMOUNT, "payment": desk.platform.payment(AMOUNT)}
    made = desk.platform.post("/v1/topups", body, key="the-same").json or {}
    load(desk, str(made["order_id"]))
    before.restored()
    return str(made["order_id"]), body | {"session": {"se": described(desk.element)}}


def test_an_order_that_is_placed_again_after_the_restore_waits_for_people(desk: Desk) -> None:
    gone, body = forgotten(desk)

    unknown = desk.platform.get(f"/v1/topups/{gone}")
    again = desk.platform.post("/v1/topups", body, key="the-same")
    order = again.json or {}
    desk.decided(Action.CONFIRM_LOAD, order["order_id"], proof="receipt of the first order")

    assert (unknown.status_code, again.status_code) == (404, 201)
    assert (order["state"], order["next_step"], order["session"]) == ("held", "contact_service", None)
    assert (state(desk, order["order_id"]), balance(desk.element)) == ("loaded", AMOUNT)
    assert desk.attempts() == []


def test_a_notice_of_before_the_restore_holds_an_order_that_was_not_paid_at_the_backup(desk: Desk) -> None:
    with_card(desk)
    order_id = str(desk.platform.order_topup(desk.card_no, payment=None)["order_id"])
    before = backup(desk.platform)
    notice = {"payment": desk.platform.payment(AMOUNT)}

    before.restored()
    answer = desk.platform.post(f"/v1/topups/{order_id}/payment", notice)

    assert (answer.status_code, state(desk, order_id)) == (200, "held")


def test_what_is_paid_after_the_restore_is_loaded_at_once(desk: Desk) -> None:
    with_card(desk)
    backup(desk.platform).restored()

    ending = desk.contact().finish()

    assert ending["state"] == "done"


def test_a_terminal_is_told_that_its_load_waits_and_asks_the_card_nothing(desk: Desk) -> None:
    with_card(desk)
    reader = Reader(desk.platform, desk.element)
    body = reader.ask_card(AMOUNT)
    tell(desk.platform)

    move = reader.send(body).json or {}

    assert (move["state"], move["order_state"]) == ("stopped", "held")
    assert move["problem"]["code"] == "topup_not_loadable"


def test_money_that_a_restore_holds_has_its_reason_and_its_owner(desk: Desk) -> None:
    paid(desk)
    tell(desk.platform)

    with desk.platform.built.store.read() as tx:
        (item,) = suspense.items(tx)

    assert (item.reason, item.owner) == ("held_after_restore", "service_desk")


# Refunds ---------------------------------------------------------------------------------------------------------------


def refunding(desk: Desk) -> tuple[str, str]:
    order_id = paid(desk)
    desk.platform.post(f"/v1/topups/{order_id}/refund")
    return order_id, desk.refund_of(order_id)["refund_id"]


@pytest.mark.parametrize(
    ("answer", "order", "refund"),
    [
        (RefundAnswer.DONE, "refunded", "done"),
        (RefundAnswer.UNHEARD, "held", "failed"),
        (RefundAnswer.REFUSED, "held", "failed"),
        (RefundAnswer.PENDING, "refunding", "sent"),
    ],
)
def test_a_refund_on_its_way_is_asked_about_and_never_just_sent(
    desk: Desk, answer: RefundAnswer, order: str, refund: str
) -> None:
    """It may have been paid by other means since the backup, or refused and the order loaded."""
    order_id, refund_id = refunding(desk)
    tell(desk.platform)
    desk.wallet.queries = [answer]

    desk.send(refund_id)

    assert (desk.wallet.sent, len(desk.wallet.queried)) == ([], 1)
    assert (state(desk, order_id), desk.refund_of(order_id)["state"]) == (order, refund)


def test_a_refund_that_the_wallet_never_heard_of_is_sent_when_two_people_say_so(desk: Desk) -> None:
    order_id, refund_id = refunding(desk)
    tell(desk.platform)
    desk.wallet.queries = [RefundAnswer.UNHEARD]
    desk.send(refund_id)

    desk.decided(Action.REFUND_AGAIN, refund_id)
    desk.send(refund_id, RefundAnswer.DONE)

    assert [order.key for order in desk.wallet.sent] == [f"{refund_id}-2"]
    assert state(desk, order_id) == "refunded"


def test_a_refund_that_was_refused_may_be_recorded_as_paid(desk: Desk) -> None:
    order_id, refund_id = refunding(desk)
    tell(desk.platform)
    desk.wallet.queries = [RefundAnswer.UNHEARD]
    desk.send(refund_id)

    desk.decided(Action.RECORD_REFUND, order_id, proof=PROOF)

    assert (state(desk, order_id), desk.refund_of(order_id)["state"]) == ("refunded", "done")


def test_money_too_much_that_is_told_of_again_is_asked_about_first(desk: Desk) -> None:
    order_id = paid(desk)
    before = backup(desk.platform)
    second = {"payment": desk.platform.payment(700)}

    before.restored()
    desk.platform.post(f"/v1/topups/{order_id}/payment", second)
    refund_id = desk.refund_of(order_id)["refund_id"]
    desk.wallet.queries = [RefundAnswer.UNHEARD]
    desk.send(refund_id)
    desk.decided(Action.REFUND_BY_HAND, refund_id, proof="went back before the restore")

    assert desk.wallet.sent == []
    assert desk.refund_of(order_id)["state"] == "done"


# Cards being made ------------------------------------------------------------------------------------------------------


@pytest.fixture
def city_with_fee(make_platform: MakePlatform) -> Desk:
    return Desk(make_platform({"cities/guangzhou.toml": [FREE_EDIT]}))


def ordered(desk: Desk) -> str:
    platform = desk.platform
    first = {"amount_fen": AMOUNT, "payment": platform.payment(AMOUNT)}
    order = platform.order_card(desk.element, payment=platform.payment(FEE), first_load=first)
    return str(order["order_id"])


def first_load(desk: Desk) -> str:
    (row,) = desk.platform.rows("SELECT id FROM topup_order")
    return str(row.id)


def test_a_card_that_was_finished_since_the_backup_is_found_and_left_as_it_is(city_with_fee: Desk) -> None:
    desk = city_with_fee
    order_id = ordered(desk)
    before = backup(desk.platform)
    assert desk.platform.open(order_id, desk.element).finish()["state"] == "done"
    desk.element.reset()

    before.restored()
    ending = desk.platform.open(order_id, desk.element).finish()
    desk.decided(Action.CONFIRM_LOAD, first_load(desk), proof=PROOF)

    assert (ending["state"], desk.platform.issuance_state(order_id)) == ("done", "active")
    assert balance(desk.element) == AMOUNT
    assert checked(desk.platform).differences == []


def test_a_card_that_was_finished_and_loaded_since_the_backup_takes_the_next_load(desk: Desk) -> None:
    """Its counter is ahead of a new card's by what the restore made the platform forget."""
    platform = desk.platform
    order = platform.order_card(desk.element)
    before = backup(platform)
    platform.open(order["order_id"], desk.element).finish()
    platform.top_up(order["card_no"], desk.element)
    desk.element.reset()
    before.restored()

    found = platform.open(order["order_id"], desk.element).finish()
    ending = platform.top_up(order["card_no"], desk.element)

    assert found["outcome"]["state"] == "active"
    assert ending["outcome"]["state"] == "loaded"
    assert platform.rows("SELECT state, last_atc FROM card WHERE product IS NOT NULL") == [("active", 2)]


def test_a_card_that_is_not_there_is_not_made_and_not_called_off(city_with_fee: Desk) -> None:
    """Its number may be on another element by now."""
    desk = city_with_fee
    order_id = ordered(desk)
    tell(desk.platform)

    ending = desk.platform.open(order_id, desk.element).finish()
    cancelled = desk.platform.post(f"/v1/issuances/{order_id}/cancel")

    assert ending["problem"]["code"] == "issuance_in_question"
    assert problem(cancelled) == (409, "issuance_in_question")
    assert desk.platform.issuance_state(order_id) == "uncertain"


def test_a_build_that_was_under_way_is_not_gone_on_with(city_with_fee: Desk) -> None:
    desk = city_with_fee
    talk: Conversation = desk.platform.open(ordered(desk), desk.element)
    report = talk.run()
    tell(desk.platform)

    ending = talk.hand_in(report).json or {}

    assert ending["problem"]["code"] == "issuance_in_question"


def test_an_element_that_was_being_cleared_is_not_cleared_again(city_with_fee: Desk) -> None:
    """Another card may be on it by now."""
    desk = city_with_fee
    order_id = ordered(desk)
    desk.platform.open(order_id, desk.element).step()
    desk.platform.post(f"/v1/issuances/{order_id}/cancel")
    desk.element.reset()
    tell(desk.platform)

    refused = desk.platform.try_open(order_id, desk.element)

    assert problem(refused) == (409, "issuance_in_question")


def test_a_card_in_question_is_abandoned_and_its_fee_asked_about_before_it_goes_back(
    city_with_fee: Desk,
) -> None:
    desk = city_with_fee
    order_id = ordered(desk)
    before = backup(desk.platform)

    before.restored()
    desk.decided(Action.ABANDON_ISSUANCE, order_id)
    (fee,) = desk.platform.rows("SELECT id FROM refund")
    desk.wallet.queries = [RefundAnswer.UNHEARD]
    desk.send(fee.id)

    assert desk.wallet.sent == []
    assert state(desk, first_load(desk)) == "held"
    assert {
        row.state for row in desk.platform.rows("SELECT state FROM card_number WHERE order_id IS NOT NULL")
    } == {"retired"}
    assert checked(desk.platform).differences == []


def test_the_first_load_of_a_card_that_was_given_up_goes_back_once_it_is_released(
    city_with_fee: Desk,
) -> None:
    desk = city_with_fee
    order_id = ordered(desk)
    desk.platform.post(f"/v1/issuances/{order_id}/cancel")
    tell(desk.platform)
    desk.wallet.queries = [RefundAnswer.UNHEARD]
    desk.send(desk.refund_of(first_load(desk))["refund_id"])

    desk.decided(Action.RELEASE_ORDER, first_load(desk), proof=PROOF)
    refund_id = desk.refund_of(first_load(desk))["refund_id"]
    desk.send(refund_id, RefundAnswer.DONE)

    assert state(desk, first_load(desk)) == "refunded"


def test_nobody_agrees_to_what_was_proposed_before_the_restore(desk: Desk) -> None:
    order_id = desk.uncertain(credited=True)
    proposal = desk.proposed(Action.REFUND, order_id)

    report = tell(desk.platform)
    late = desk.answer(proposal)
    desk.decided(Action.CONFIRM_LOAD, order_id, proof="the card's journal")

    assert report.proposals == 1
    assert problem(late) == (409, "decision_settled")
    assert state(desk, order_id) == "loaded"


def test_a_card_that_was_paid_before_the_restore_is_not_ordered_again(city_with_fee: Desk) -> None:
    desk = city_with_fee
    before = backup(desk.platform)
    body = {"city": "guangzhou", "se_id": "se", "payment": desk.platform.payment(FEE)}

    before.restored()
    refused = desk.platform.post("/v1/issuances", body)

    assert problem(refused) == (409, "paid_before_restore")
    assert balances(desk.platform) == {}


def test_a_number_that_was_given_out_since_the_backup_is_never_given_out_again(any_desk: Desk) -> None:
    platform = any_desk.platform
    tell(platform, skip=2)

    order = platform.order_card(blank())

    assert order["card_no"] == number(2).digits
    states = platform.rows(
        "SELECT state FROM card_number WHERE card_no <= :last ORDER BY card_no", last=number(2).digits
    )
    assert [row.state for row in states if row.state != "free"][-3:] == ["retired", "retired", "held"]


# What is told ----------------------------------------------------------------------------------------------------------


def places(platform: Platform) -> list[tuple[int, int]]:
    platform.built.runner.run_due()
    return [
        tuple(row)
        for row in platform.rows("SELECT position, card_position FROM wallet_delivery ORDER BY position")
    ]


def test_events_after_a_restore_come_after_those_that_are_forgotten(desk: Desk) -> None:
    order_id = paid(desk)
    before = backup(desk.platform)
    load(desk, order_id)
    heard = places(desk.platform)

    before.restored()

    assert places(desk.platform)[-1] > heard[-1]
    assert places(desk.platform)[-1][1] > heard[-1][1]


def test_a_restore_is_told_to_the_audit_trail_and_cannot_be_unwritten(any_desk: Desk) -> None:
    platform = any_desk.platform
    paid(any_desk)

    report = tell(platform)

    (row,) = platform.rows("SELECT stream, actor, action, subject_id FROM audit WHERE stream = 'restores'")
    assert tuple(row) == ("restores", "operator", "database_restored", report.restore_id)
    with pytest.raises(sa.exc.IntegrityError):
        platform.change("DELETE FROM database_restore")


def test_a_second_restore_puts_in_question_again_what_people_had_released(desk: Desk) -> None:
    order_id = paid(desk)
    tell(desk.platform)
    desk.decided(Action.RELEASE_ORDER, order_id, proof=PROOF)

    desk.platform.clock.advance(hours=1)
    tell(desk.platform)

    assert state(desk, order_id) == "held"
