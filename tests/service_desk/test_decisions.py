"""Two people decide about money: one proposes, another approves, and then it is done, once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from werkzeug.test import TestResponse

from ota.sandbox.element.card_os import Element
from ota.service_desk.states import Action
from ota.topup.refund_port import RefundAnswer
from ota.topup.refunds import Refunds
from tests.books import balances, checked
from tests.desks import ScriptedDesk
from tests.elements import blank, tunion
from tests.phone import Conversation
from tests.platform import Platform, number, problem
from tests.topup.elsewhere import load_elsewhere

CARD = number(902).digits


@dataclass
class Desk:
    """A platform, one card on an element, and the staff who decide."""

    platform: Platform
    wallet: ScriptedDesk = field(default_factory=ScriptedDesk)
    element: Element = field(default_factory=blank)
    card_no: str = ""

    def uncertain(self, *, credited: bool = False) -> str:
        """An order whose MAC2 left and of which nothing was heard, though the card may have taken it."""
        self.card_no = self.card_no or self.platform.issue(self.element)
        order_id = str(self.platform.order_topup(self.card_no)["order_id"])
        conversation = self.platform.open(order_id, self.element)
        conversation.step()
        assert "CREDIT FOR LOAD" in conversation.notes
        if credited:
            conversation.run()  # the report is lost
        self.platform.clock.advance(minutes=3)
        self.platform.built.runner.run_due()
        assert self.platform.topup_state(order_id) == "uncertain"
        self.element.reset()
        return order_id

    def propose(self, action: Action, subject: str, *, by: str = "supervisor", **more: str) -> TestResponse:
        body: dict[str, Any] = {"action": action.value, "subject_id": subject, "reason": "the phone is lost"}
        return self.platform.post("/v1/service/decisions", body | more, by=by)

    def proposed(self, action: Action, subject: str, **more: str) -> str:
        answer = self.propose(action, subject, **more)
        assert answer.status_code == 201, answer.text
        return str((answer.json or {})["decision_id"])

    def answer(self, decision_id: str, verb: str = "approve", *, by: str = "second") -> TestResponse:
        return self.platform.post(f"/v1/service/decisions/{decision_id}/{verb}", by=by)

    def decided(self, action: Action, subject: str, **more: str) -> None:
        answer = self.answer(self.proposed(action, subject, **more))
        assert answer.status_code == 200, answer.text

    def refund_of(self, order_id: str) -> dict[str, str]:
        answer = self.platform.get(f"/v1/topups/{order_id}/refunds")
        return dict((answer.json or {})["refunds"][-1])

    def send(self, refund_id: str, *answers: RefundAnswer) -> None:
        self.wallet.sends = list(answers) or [RefundAnswer.DONE]
        built = self.platform.built
        Refunds(built.store, self.wallet, self.platform.clock, timedelta(days=7)).send(refund_id)

    def attempts(self) -> list[str]:
        return [row.state for row in self.platform.rows("SELECT state FROM load_attempt ORDER BY id")]

    def contact(self, amount: int = 3000) -> Conversation:
        """The next contact with the card, for another order."""
        order = self.platform.order_topup(self.card_no, amount)
        return self.platform.open(str(order["order_id"]), self.element)


@pytest.fixture
def desk(platform: Platform) -> Iterator[Desk]:
    """At the end the books must agree with everything else."""
    made = Desk(platform)
    yield made
    assert checked(platform).differences == []


@pytest.fixture
def any_desk(any_platform: Platform) -> Iterator[Desk]:
    made = Desk(any_platform)
    yield made
    assert checked(any_platform).differences == []


def test_what_one_proposes_and_another_approves_is_done(any_desk: Desk) -> None:
    order_id = any_desk.uncertain()

    decision_id = any_desk.proposed(Action.WRITE_OFF, order_id)
    before = any_desk.platform.topup_state(order_id)
    answer = any_desk.answer(decision_id)

    shown = answer.json or {}
    assert before == "uncertain"
    assert (shown["maker"], shown["checker"], shown["outcome"]) == ("supervisor", "second", "approved")
    assert any_desk.platform.topup_state(order_id) == "written_off"
    assert balances(any_desk.platform) == {"channel:alipay": 5000, "loss:5810": -5000}
    assert any_desk.attempts() == ["decided"]


def test_nobody_approves_what_they_proposed(desk: Desk) -> None:
    order_id = desk.uncertain()
    decision_id = desk.proposed(Action.WRITE_OFF, order_id)

    refusals = [desk.answer(decision_id, verb, by="supervisor") for verb in ("approve", "reject")]

    assert [problem(answer) for answer in refusals] == [(403, "second_person_needed")] * 2
    assert desk.platform.topup_state(order_id) == "uncertain"


def test_the_database_itself_wants_a_second_person(desk: Desk) -> None:
    decision_id = desk.proposed(Action.WRITE_OFF, desk.uncertain())
    alone = "UPDATE approval SET checker = maker, outcome = 'approved' WHERE id = :id"

    with pytest.raises(IntegrityError):
        desk.platform.change(alone, id=decision_id)

    assert (desk.platform.get(f"/v1/service/decisions/{decision_id}", by="second").json or {})[
        "outcome"
    ] is None


@pytest.mark.parametrize("by", ["clerk", "wallet", "terminal"])
def test_only_who_may_approve_approves(desk: Desk, by: str) -> None:
    decision_id = desk.proposed(Action.WRITE_OFF, desk.uncertain())

    assert problem(desk.answer(decision_id, by=by)) == (403, "scope_missing")


def test_an_agent_may_propose(desk: Desk) -> None:
    answer = desk.propose(Action.WRITE_OFF, desk.uncertain(), by="clerk")

    assert answer.status_code == 201


def test_staff_of_a_city_decide_about_its_cards_only(desk: Desk) -> None:
    order_id = desk.uncertain()
    decision_id = desk.proposed(Action.WRITE_OFF, order_id)

    answers = [
        desk.propose(Action.REFUND, order_id, by="foshan-supervisor"),
        desk.answer(decision_id, by="foshan-supervisor"),
        desk.answer(decision_id, "reject", by="foshan-supervisor"),
        desk.platform.get(f"/v1/service/decisions/{decision_id}", by="foshan-supervisor"),
    ]

    waiting = desk.platform.get("/v1/service/decisions", by="foshan-supervisor")
    assert {problem(answer) for answer in answers} == {(404, "not_found")}
    assert (waiting.json or {})["decisions"] == []


def test_what_waits_is_listed_until_it_is_answered(desk: Desk) -> None:
    decision_id = desk.proposed(Action.WRITE_OFF, desk.uncertain())
    path = "/v1/service/decisions"
    before = (desk.platform.get(path, by="second").json or {})["decisions"]

    desk.answer(decision_id, "reject")

    after = (desk.platform.get(path, by="second").json or {})["decisions"]
    assert [each["decision_id"] for each in before] == [decision_id]
    assert after == []


def test_a_rejected_proposal_does_nothing_and_makes_room_for_another(desk: Desk) -> None:
    order_id = desk.uncertain()
    first = desk.proposed(Action.WRITE_OFF, order_id)
    busy = desk.propose(Action.REFUND, order_id)

    rejected = desk.answer(first, "reject")
    again = desk.propose(Action.REFUND, order_id)

    assert problem(busy) == (409, "decision_open")
    assert (rejected.json or {})["outcome"] == "rejected"
    assert again.status_code == 201
    assert desk.platform.topup_state(order_id) == "uncertain"


def test_an_approval_that_is_repeated_changes_nothing(desk: Desk) -> None:
    order_id = desk.uncertain()
    decision_id = desk.proposed(Action.WRITE_OFF, order_id)

    first, again = desk.answer(decision_id), desk.answer(decision_id)

    assert again.json == first.json
    assert balances(desk.platform) == {"channel:alipay": 5000, "loss:5810": -5000}


@pytest.mark.parametrize("verb", ["approve", "reject"])
def test_what_was_answered_is_answered(desk: Desk, verb: str) -> None:
    decision_id = desk.proposed(Action.WRITE_OFF, desk.uncertain())
    desk.answer(decision_id, "reject")

    assert problem(desk.answer(decision_id, verb)) == (409, "decision_settled")


def test_many_approvals_at_once_do_it_once(any_desk: Desk) -> None:
    decision_id = any_desk.proposed(Action.WRITE_OFF, any_desk.uncertain())
    together = threading.Barrier(6)
    staff = ("second", "foshan-supervisor", "supervisor")

    def approve(turn: int) -> int:
        together.wait()
        return any_desk.answer(decision_id, by=staff[turn % 3]).status_code

    with ThreadPoolExecutor(6) as pool:
        statuses = sorted(pool.map(approve, range(6)))

    assert statuses == [200, 200, 403, 403, 404, 404]
    assert balances(any_desk.platform) == {"channel:alipay": 5000, "loss:5810": -5000}


def test_evidence_that_came_before_the_second_person_wins(desk: Desk) -> None:
    order_id = desk.uncertain(credited=True)
    decision_id = desk.proposed(Action.REFUND, order_id)
    desk.platform.open(order_id, desk.element).finish()

    answer = desk.answer(decision_id)

    assert problem(answer) == (409, "not_in_this_state")
    assert desk.platform.topup_state(order_id) == "loaded"
    assert desk.answer(decision_id, "reject").status_code == 200


@pytest.mark.parametrize("action", [Action.REFUND, Action.WRITE_OFF, Action.CONFIRM_LOAD])
def test_a_proposal_decides_nothing_about_a_later_attempt(any_desk: Desk, action: Action) -> None:
    order_id = any_desk.uncertain()
    proof = {"proof": "journal-17"} if action is Action.CONFIRM_LOAD else {}
    decision_id = any_desk.proposed(action, order_id, **proof)
    later = any_desk.platform.open(order_id, any_desk.element)
    later.step()  # the card disproves the attempt that was looked at; another one follows at once
    later.run()
    any_desk.platform.clock.advance(minutes=3)
    any_desk.platform.built.runner.run_due()

    answer = any_desk.answer(decision_id)

    assert problem(answer) == (409, "decision_outdated")
    assert any_desk.attempts() == ["dead", "uncertain"]
    assert any_desk.platform.topup_state(order_id) == "uncertain"
    assert any_desk.answer(decision_id, "reject").status_code == 200


def test_two_people_give_money_back_that_may_be_on_the_card(any_desk: Desk) -> None:
    order_id = any_desk.uncertain()

    any_desk.decided(Action.REFUND, order_id)
    refund = any_desk.refund_of(order_id)
    any_desk.send(refund["refund_id"])

    assert refund["reason"] == "four_eyes"
    assert any_desk.platform.topup_state(order_id) == "refunded"
    assert balances(any_desk.platform) == {}


def test_a_load_that_shows_up_after_its_refund_is_a_loss_with_a_name(any_desk: Desk) -> None:
    order_id = any_desk.uncertain(credited=True)
    any_desk.decided(Action.REFUND, order_id)
    any_desk.send(any_desk.refund_of(order_id)["refund_id"])

    any_desk.contact().finish()

    report = checked(any_desk.platform)
    assert any_desk.platform.topup_state(order_id) == "refunded"
    assert any_desk.attempts() == ["loaded", "loaded"]
    assert tunion(any_desk.element).purse.state.balance == 8000
    assert (report.on_cards_fen, report.written_off_fen, report.captured_fen) == (8000, -5000, 8000)
    assert report.refunded_fen == 5000


def test_a_load_that_shows_up_after_its_write_off_is_no_loss_any_more(desk: Desk) -> None:
    order_id = desk.uncertain(credited=True)
    desk.decided(Action.WRITE_OFF, order_id)

    desk.contact().finish()

    report = checked(desk.platform)
    assert desk.platform.topup_state(order_id) == "written_off"
    assert (report.on_cards_fen, report.written_off_fen) == (8000, 0)


def test_a_load_that_never_happened_after_its_write_off_stays_written_off(desk: Desk) -> None:
    order_id = desk.uncertain()
    desk.decided(Action.WRITE_OFF, order_id)

    desk.contact().finish()

    assert desk.platform.topup_state(order_id) == "written_off"
    assert desk.attempts() == ["dead", "loaded"]
    assert checked(desk.platform).written_off_fen == 5000


def refused_after_decision(desk: Desk, *, credited: bool) -> str:
    """An order that two people wanted back, that the wallet refused, and that is held now."""
    order_id = desk.uncertain(credited=credited)
    desk.decided(Action.REFUND, order_id)
    desk.send(desk.refund_of(order_id)["refund_id"], RefundAnswer.REFUSED)
    return order_id


def test_a_refused_refund_without_proof_holds_the_order(desk: Desk) -> None:
    order_id = refused_after_decision(desk, credited=False)

    again = desk.platform.post(f"/v1/topups/{order_id}/refund")

    assert desk.platform.topup_state(order_id) == "held"
    assert problem(again) == (409, "topup_not_refundable")
    assert problem(desk.platform.try_open(order_id)) == (409, "topup_not_loadable")


@pytest.mark.parametrize(("credited", "state"), [(True, "loaded"), (False, "paid")])
def test_the_card_settles_an_order_that_is_held(desk: Desk, credited: bool, state: str) -> None:
    order_id = refused_after_decision(desk, credited=credited)

    desk.contact().finish()

    assert desk.platform.topup_state(order_id) == state


def test_two_people_send_a_refused_refund_again(desk: Desk) -> None:
    order_id = refused_after_decision(desk, credited=False)
    refund_id = desk.refund_of(order_id)["refund_id"]

    desk.decided(Action.REFUND_AGAIN, refund_id)
    state = desk.platform.topup_state(order_id)
    desk.send(refund_id)

    assert state == "refunding"
    assert desk.platform.topup_state(order_id) == "refunded"
    assert desk.wallet.sent[-1].key == f"{refund_id}-2"


def test_a_refused_refund_of_money_that_is_on_the_card_is_not_sent_again(desk: Desk) -> None:
    order_id = desk.uncertain(credited=True)
    desk.decided(Action.REFUND, order_id)
    desk.contact().finish()  # while the refund is on its way the card shows the money
    refund_id = desk.refund_of(order_id)["refund_id"]
    desk.send(refund_id, RefundAnswer.REFUSED)

    again = desk.propose(Action.REFUND_AGAIN, refund_id)
    refund = desk.propose(Action.REFUND, order_id)
    desk.decided(Action.WRITE_OFF, order_id)

    assert [problem(each) for each in (again, refund)] == [(409, "money_on_the_card")] * 2
    assert checked(desk.platform).written_off_fen == 0


@pytest.mark.parametrize("answer", [None, RefundAnswer.REFUSED, RefundAnswer.SILENT])
def test_two_people_pay_a_refund_by_hand(desk: Desk, answer: RefundAnswer | None) -> None:
    order_id = str(desk.platform.order_topup(CARD)["order_id"])
    desk.platform.post(f"/v1/topups/{order_id}/refund")
    refund_id = desk.refund_of(order_id)["refund_id"]
    if answer is not None:
        desk.send(refund_id, answer)

    desk.decided(Action.REFUND_BY_HAND, refund_id, proof="bank transfer 20261123-1")

    assert desk.refund_of(order_id)["state"] == "done"
    assert desk.platform.topup_state(order_id) == "refunded"
    assert balances(desk.platform) == {}


def test_a_refund_is_not_paid_by_hand_while_it_may_be_on_the_wire(desk: Desk) -> None:
    order_id = str(desk.platform.order_topup(CARD)["order_id"])
    desk.platform.post(f"/v1/topups/{order_id}/refund")
    refund_id = desk.refund_of(order_id)["refund_id"]
    decision_id = desk.proposed(Action.REFUND_BY_HAND, refund_id, proof="cash")
    refusals: list[tuple[int, str]] = []
    desk.wallet.before = lambda: refusals.append(problem(desk.answer(decision_id)))

    desk.send(refund_id)

    assert refusals == [(409, "not_in_this_state")]
    assert desk.refund_of(order_id)["state"] == "done"


@pytest.mark.parametrize("said_before", [[], [RefundAnswer.SILENT]])
def test_a_refund_that_the_wallet_is_working_on_is_not_paid_by_hand(
    desk: Desk, said_before: list[RefundAnswer]
) -> None:
    order_id = str(desk.platform.order_topup(CARD)["order_id"])
    desk.platform.post(f"/v1/topups/{order_id}/refund")
    refund_id = desk.refund_of(order_id)["refund_id"]
    for answer in said_before:
        desk.send(refund_id, answer)
    desk.wallet.queries = [RefundAnswer.PENDING]
    desk.send(refund_id, RefundAnswer.PENDING)

    refused = desk.propose(Action.REFUND_BY_HAND, refund_id, proof="cash")
    desk.wallet.queries = [RefundAnswer.DONE]
    desk.platform.clock.advance(minutes=2)
    desk.send(refund_id)

    assert problem(refused) == (409, "not_in_this_state")
    assert desk.refund_of(order_id)["state"] == "done"
    assert balances(desk.platform) == {}


def test_a_surplus_payment_that_was_refused_is_paid_by_hand(desk: Desk) -> None:
    order_id = str(desk.platform.order_topup(CARD)["order_id"])
    body = {"payment": desk.platform.payment(5000)}
    desk.platform.post(f"/v1/topups/{order_id}/payment", body)
    refund_id = desk.refund_of(order_id)["refund_id"]
    desk.send(refund_id, RefundAnswer.REFUSED)

    desk.decided(Action.REFUND_BY_HAND, refund_id, proof="cash at the counter")

    assert desk.refund_of(order_id)["state"] == "done"
    assert desk.platform.topup_state(order_id) == "paid"


def test_a_paid_order_of_a_terminal_goes_back_through_two_people(desk: Desk) -> None:
    order_id = str(desk.platform.order_topup(CARD)["order_id"])

    desk.decided(Action.REFUND, order_id)

    assert desk.platform.topup_state(order_id) == "refunding"


def test_a_frozen_card_is_released_and_its_next_counter_believed(any_desk: Desk) -> None:
    any_desk.card_no = any_desk.platform.issue(any_desk.element)
    any_desk.platform.change("UPDATE card SET last_atc = 7")
    frozen = any_desk.contact().finish()

    any_desk.decided(Action.RELEASE_CARD, any_desk.card_no)
    ending = any_desk.contact().finish()

    assert frozen["problem"]["code"] == "card_frozen"
    assert ending["state"] == "done"


def test_a_card_whose_counter_jumped_is_settled_by_two_decisions(desk: Desk) -> None:
    order_id = desk.uncertain()
    desk.platform.change("UPDATE load_attempt SET online_atc = 40")
    frozen = desk.contact().finish()
    held = desk.platform.topup_state(order_id)

    desk.decided(Action.REFUND, order_id)
    desk.decided(Action.RELEASE_CARD, desk.card_no)
    ending = desk.contact().finish()

    assert (frozen["problem"]["code"], held) == ("card_frozen", "held")
    assert desk.attempts()[0] == "given_up"
    assert ending["state"] == "done"


def with_a_jump(desk: Desk) -> str:
    """An order that is held: its money went into the purse, and somebody loaded the card after it."""
    order_id = desk.uncertain(credited=True)
    load_elsewhere(desk.platform, desk.element, desk.card_no)
    assert desk.contact().finish()["problem"]["code"] == "card_frozen"
    assert desk.platform.topup_state(order_id) == "held"
    return order_id


def test_a_held_order_whose_money_was_seen_on_the_card_is_loaded(any_desk: Desk) -> None:
    order_id = with_a_jump(any_desk)

    any_desk.decided(Action.CONFIRM_LOAD, order_id, proof="balance read at the counter in Tianhe")
    any_desk.decided(Action.RELEASE_CARD, any_desk.card_no)
    ending = any_desk.contact().finish()

    (liability,) = [
        amount for name, amount in balances(any_desk.platform).items() if "card_liability" in name
    ]
    assert (any_desk.platform.topup_state(order_id), ending["state"]) == ("loaded", "done")
    assert any_desk.attempts()[0] == "loaded"
    assert abs(liability) == 8000


def test_a_held_order_is_written_off(desk: Desk) -> None:
    order_id = with_a_jump(desk)

    desk.decided(Action.WRITE_OFF, order_id)

    assert desk.platform.topup_state(order_id) == "written_off"


def test_what_was_confirmed_before_its_card_was_released_is_not_asked_again(desk: Desk) -> None:
    order_id = desk.uncertain(credited=True)

    desk.decided(Action.CONFIRM_LOAD, order_id, proof="journal shown by the customer")
    ending = desk.contact().finish()

    assert (desk.platform.topup_state(order_id), ending["state"]) == ("loaded", "done")


@pytest.mark.parametrize(
    ("action", "subject", "status", "code"),
    [
        (Action.REFUND, "top_unknown", 404, "not_found"),
        (Action.WRITE_OFF, "top_unknown", 404, "not_found"),
        (Action.REFUND_AGAIN, "ref_unknown", 404, "not_found"),
        (Action.RELEASE_CARD, number(905).digits, 404, "not_found"),
        (Action.RELEASE_CARD, "1234", 422, "invalid_value"),
        (Action.WRITE_OFF, "paid order", 409, "not_in_this_state"),
        (Action.CONFIRM_LOAD, "paid order", 409, "not_in_this_state"),
        (Action.REFUND, "unpaid order", 409, "not_in_this_state"),
        (Action.RELEASE_CARD, "active card", 409, "not_in_this_state"),
        (Action.REFUND_AGAIN, "waiting refund", 409, "not_in_this_state"),
    ],
)
def test_what_cannot_be_decided_is_not_even_proposed(
    desk: Desk, action: Action, subject: str, status: int, code: str
) -> None:
    platform = desk.platform
    paid = str(platform.order_topup(CARD)["order_id"])
    given_back = str(platform.order_topup(CARD)["order_id"])
    platform.post(f"/v1/topups/{given_back}/refund")
    subjects = {
        "paid order": paid,
        "unpaid order": str(platform.order_topup(CARD, payment=None)["order_id"]),
        "active card": platform.issue(blank(seed="another")),
        "waiting refund": desk.refund_of(given_back)["refund_id"],
    }

    more = {"proof": "seen"} if action is Action.CONFIRM_LOAD else {}
    answer = desk.propose(action, subjects.get(subject, subject), **more)

    assert problem(answer) == (status, code)
    assert platform.rows("SELECT id FROM approval") == []


def test_a_refund_that_is_done_cannot_be_paid_by_hand(desk: Desk) -> None:
    order_id = str(desk.platform.order_topup(CARD)["order_id"])
    desk.platform.post(f"/v1/topups/{order_id}/refund")
    refund_id = desk.refund_of(order_id)["refund_id"]
    desk.send(refund_id)

    assert problem(desk.propose(Action.REFUND_BY_HAND, refund_id, proof="cash")) == (409, "not_in_this_state")


@pytest.mark.parametrize("action", [Action.WRITE_OFF, Action.CONFIRM_LOAD, Action.RELEASE_CARD])
def test_staff_of_another_city_are_not_told_how_things_stand(desk: Desk, action: Action) -> None:
    card_no = desk.platform.issue(desk.element)
    order_id = desk.platform.order_topup(card_no)["order_id"]
    subject = card_no if action is Action.RELEASE_CARD else order_id
    proof = {"proof": "seen"} if action is Action.CONFIRM_LOAD else {}

    refused = desk.propose(action, subject, by="foshan-supervisor", **proof)

    assert problem(refused) == (404, "not_found")
    assert problem(desk.propose(action, subject, **proof))[0] == 409


@pytest.mark.parametrize(
    "changes",
    [
        {"action": "give_me_money"},
        {"reason": ""},
        {"reason": "x" * 401},
        {"subject_id": "x" * 41},
        {"reason": "two\nlines"},
        {"reason": "turned \u202e round"},
        {"city": "5810"},
    ],
)
def test_a_proposal_that_is_not_well_formed_is_refused(desk: Desk, changes: dict[str, str]) -> None:
    body = {"action": "write_off", "subject_id": "top_1", "reason": "lost"} | changes

    answer = desk.platform.post("/v1/service/decisions", body, by="supervisor")

    assert problem(answer) == (400, "invalid_fields")


@pytest.mark.parametrize(
    "changes",
    [
        {"proof": "for an action that has none"},
        {"action": "refund_by_hand"},
        {"action": "confirm_load"},
        {"action": "release_order"},
        {"action": "record_refund"},
    ],
)
def test_a_proof_belongs_to_what_was_seen_and_to_nothing_else(desk: Desk, changes: dict[str, str]) -> None:
    body = {"action": "write_off", "subject_id": "top_1", "reason": "lost"} | changes

    answer = desk.platform.post("/v1/service/decisions", body, by="supervisor")

    assert problem(answer) == (422, "invalid_value")


def test_decisions_are_told_to_the_audit_trail(desk: Desk) -> None:
    order_id = desk.uncertain()

    desk.decided(Action.WRITE_OFF, order_id)

    rows = desk.platform.rows("SELECT stream, actor, action FROM audit ORDER BY stream, position")
    assert [tuple(row) for row in rows] == [
        ("decisions", "supervisor", "proposed"),
        ("decisions", "second", "approved"),
        ("refunds", "second", "written_off"),
    ]


def test_no_card_number_is_in_the_audit_trail(desk: Desk) -> None:
    desk.card_no = desk.platform.issue(desk.element)
    desk.platform.change("UPDATE card SET last_atc = 7")
    desk.contact().finish()

    desk.decided(Action.RELEASE_CARD, desk.card_no)

    with desk.platform.built.store.read() as tx:
        told = [str(tuple(row)) for row in tx.execute(sa.text("SELECT * FROM audit"))]
    assert len(told) == 4
    assert not any(desk.card_no in each for each in told)
