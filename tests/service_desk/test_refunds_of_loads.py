"""A refund that was refused, decided again after its order was loaded and nothing was heard of the load."""

from __future__ import annotations

import pytest

from ota.service_desk.states import Action
from ota.store import history
from ota.topup.refund_port import RefundAnswer
from tests.books import checked
from tests.elements import tunion
from tests.platform import Platform
from tests.service_desk.test_decisions import Desk, desk

__all__ = ["desk"]


def loaded_after_a_refusal(desk: Desk, *, credited: bool) -> tuple[str, str]:
    """An order in doubt, with a refund that the wallet refused before it was loaded: order and refund."""
    desk.card_no = desk.platform.issue(desk.element)
    order_id = str(desk.platform.order_topup(desk.card_no)["order_id"])
    desk.platform.post(f"/v1/topups/{order_id}/refund")
    refund_id = desk.refund_of(order_id)["refund_id"]
    desk.send(refund_id, RefundAnswer.REFUSED)
    conversation = desk.platform.open(order_id, desk.element)
    conversation.step()
    if credited:
        conversation.run()  # the report is lost
    desk.platform.clock.advance(minutes=3)
    desk.platform.built.runner.run_due()
    desk.element.reset()
    assert desk.platform.topup_state(order_id) == "uncertain"
    return order_id, refund_id


def decide(desk: Desk, action: Action, refund_id: str) -> None:
    desk.decided(action, refund_id, **({"proof": "cash"} if action is Action.REFUND_BY_HAND else {}))
    if action is Action.REFUND_AGAIN:
        desk.send(refund_id)


@pytest.mark.parametrize("credited", [True, False])
@pytest.mark.parametrize("action", [Action.REFUND_AGAIN, Action.REFUND_BY_HAND])
def test_whoever_gives_money_back_again_decides_about_its_open_attempt(
    desk: Desk, action: Action, credited: bool
) -> None:
    order_id, refund_id = loaded_after_a_refusal(desk, credited=credited)

    decide(desk, action, refund_id)
    attempts = desk.attempts()
    ending = desk.contact().finish()

    assert attempts == ["decided"]
    assert desk.platform.topup_state(order_id) == "refunded"
    assert ending["state"] == "done"
    assert tunion(desk.element).purse.state.balance == (8000 if credited else 3000)
    assert checked(desk.platform).written_off_fen == (-5000 if credited else 0)


def _leave_open(platform: Platform) -> None:
    """As earlier versions left the attempt: where it was, not decided."""
    (attempt,) = platform.rows("SELECT id FROM load_attempt WHERE state = 'decided'")
    platform.change("UPDATE load_attempt SET state = 'uncertain'")
    with platform.built.store.begin() as tx:
        history.record(
            tx,
            kind="load_attempt",
            subject_id=attempt.id,
            before="decided",
            event="left_open",
            after="uncertain",
            at=platform.clock.now(),
        )


@pytest.mark.parametrize("credited", [True, False])
def test_a_card_is_settled_even_where_a_decision_left_its_attempt_open(desk: Desk, credited: bool) -> None:
    _, refund_id = loaded_after_a_refusal(desk, credited=credited)
    decide(desk, Action.REFUND_BY_HAND, refund_id)
    _leave_open(desk.platform)

    ending = desk.contact().finish()

    assert ending["state"] == "done"


def test_a_refused_refund_is_not_decided_again_while_its_order_is_being_loaded(desk: Desk) -> None:
    order_id, refund_id = loaded_after_a_refusal(desk, credited=False)
    desk.platform.open(order_id, desk.element).step()
    desk.platform.open(order_id, desk.element).step()
    proposal = desk.proposed(Action.REFUND_AGAIN, refund_id)

    answer = desk.answer(proposal)

    assert answer.status_code == 409
    assert desk.platform.topup_state(order_id) == "loading"
    desk.answer(proposal, "reject")
