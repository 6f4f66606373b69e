"""Money goes back once, after proof, and what became of it is asked for rather than guessed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

import pytest

from ota.core.errors import NotFound
from ota.sandbox.element.card_os import Element
from ota.topup.refund_port import RefundAnswer
from ota.topup.refunds import FORGOTTEN, IN_FLIGHT, Refunds
from tests.books import balances, checked
from tests.desks import ScriptedDesk
from tests.elements import blank
from tests.platform import Platform, number, problem

CARD = number(901).digits
DONE, REFUSED, PENDING = RefundAnswer.DONE, RefundAnswer.REFUSED, RefundAnswer.PENDING
SILENT, UNHEARD = RefundAnswer.SILENT, RefundAnswer.UNHEARD
GONE: dict[str, int] = {}
BACK_IN_SUSPENSE = {"channel:alipay": 5000, "suspense:5810": -5000}
OWED = {"channel:alipay": 5000, "refund_payable:5810": -5000}


@dataclass
class World:
    """A platform whose wallet answers as it is told."""

    platform: Platform
    desk: ScriptedDesk

    @property
    def refunds(self) -> Refunds:
        built = self.platform.built
        return Refunds(built.store, self.desk, self.platform.clock, timedelta(days=7))

    def started(self) -> tuple[str, str]:
        """A paid order that the wallet wants back: (order id, refund id)."""
        order_id = str(self.platform.order_topup(CARD)["order_id"])
        answer = self.platform.post(f"/v1/topups/{order_id}/refund")
        assert answer.status_code == 200, answer.text
        return order_id, self.refund_of(order_id)["refund_id"]

    def refund_of(self, order_id: str) -> dict[str, str]:
        answer = self.platform.get(f"/v1/topups/{order_id}/refunds")
        (refund,) = (answer.json or {})["refunds"]
        return dict(refund)

    def states(self, order_id: str) -> tuple[str, str]:
        return self.platform.topup_state(order_id), self.refund_of(order_id)["state"]

    def wait(self, **delta: float) -> None:
        self.platform.clock.advance(**delta)

    def staged(self) -> int:
        return len(self.platform.rows("SELECT id FROM outbox WHERE job = 'send_refund'"))


@pytest.fixture
def world(any_platform: Platform) -> Iterator[World]:
    """On both databases; at the end the books must agree with everything else."""
    made = World(any_platform, ScriptedDesk())
    yield made
    assert checked(any_platform).differences == []


@pytest.fixture
def small(platform: Platform) -> Iterator[World]:
    """On SQLite, for what does not depend on the database."""
    made = World(platform, ScriptedDesk())
    yield made
    assert checked(platform).differences == []


def test_a_paid_order_goes_back_when_its_wallet_asks(world: World) -> None:
    order_id, refund_id = world.started()
    owed = balances(world.platform)

    world.refunds.send(refund_id)

    assert owed == OWED
    assert world.states(order_id) == ("refunded", "done")
    assert balances(world.platform) == GONE
    assert [order.amount.amount for order in world.desk.sent] == [5000]
    assert world.desk.queried == []


def test_asking_twice_starts_one_refund(small: World) -> None:
    order_id, refund_id = small.started()

    again = small.platform.post(f"/v1/topups/{order_id}/refund")
    small.refunds.send(refund_id)
    after = small.platform.post(f"/v1/topups/{order_id}/refund")

    assert (again.json or {})["state"] == "refunding"
    assert (after.json or {})["state"] == "refunded"
    assert len(small.desk.sent) == 1


def test_a_refund_that_is_done_is_not_sent_again(small: World) -> None:
    _, refund_id = small.started()

    small.refunds.send(refund_id)
    small.refunds.send(refund_id)

    assert len(small.desk.sent) == 1


def test_an_unpaid_order_has_nothing_to_give_back(small: World) -> None:
    order = small.platform.order_topup(CARD, payment=None)

    answer = small.platform.post(f"/v1/topups/{order['order_id']}/refund")

    assert problem(answer) == (409, "topup_not_refundable")
    assert (answer.json or {})["next_action"] == "none"


def test_another_wallet_gets_nothing(small: World) -> None:
    order_id = small.platform.order_topup(CARD)["order_id"]

    answer = small.platform.post(f"/v1/topups/{order_id}/refund", by="rival")

    assert problem(answer) == (404, "not_found")
    assert problem(small.platform.get(f"/v1/topups/{order_id}/refunds", by="rival")) == (404, "not_found")


def with_mac2_out(platform: Platform, element: Element) -> str:
    """An order whose MAC2 was sent and of which nothing was heard since."""
    order_id = str(platform.order_topup(platform.issue(element))["order_id"])
    conversation = platform.open(order_id, element)
    conversation.step()
    assert "CREDIT FOR LOAD" in conversation.notes
    return order_id


def test_nothing_goes_back_while_the_card_may_hold_it(small: World) -> None:
    order_id = with_mac2_out(small.platform, blank())

    at_once = small.platform.post(f"/v1/topups/{order_id}/refund")
    small.wait(days=30)
    small.platform.built.runner.run_due()
    later = small.platform.post(f"/v1/topups/{order_id}/refund")
    small.refunds.sweep()

    assert [problem(answer) for answer in (at_once, later)] == [(409, "topup_not_refundable")] * 2
    assert (later.json or {})["next_action"] == "resume"
    assert small.platform.topup_state(order_id) == "uncertain"


def test_a_load_that_is_proven_not_to_have_happened_goes_back(world: World) -> None:
    element = blank()
    order_id = with_mac2_out(world.platform, element)
    element.reset()
    card_no = world.platform.rows("SELECT card_no FROM topup_order")[0].card_no
    other = str(world.platform.order_topup(card_no, 3000)["order_id"])
    world.platform.open(other, element).step()  # the counter has not moved: the first load never happened

    answer = world.platform.post(f"/v1/topups/{order_id}/refund")
    world.refunds.send(world.refund_of(order_id)["refund_id"])

    assert answer.status_code == 200
    assert world.states(order_id) == ("refunded", "done")
    assert world.platform.topup_state(other) == "loading"


def test_a_loaded_order_does_not_go_back(small: World) -> None:
    element = blank()
    order_id = small.platform.order_topup(small.platform.issue(element))["order_id"]
    small.platform.open(order_id, element).finish()

    answer = small.platform.post(f"/v1/topups/{order_id}/refund")

    assert problem(answer) == (409, "topup_not_refundable")


def test_a_card_that_is_on_the_reader_while_the_money_goes_back_is_not_loaded(small: World) -> None:
    element = blank()
    order_id = str(small.platform.order_topup(small.platform.issue(element))["order_id"])
    conversation = small.platform.open(order_id, element)
    small.platform.post(f"/v1/topups/{order_id}/refund")

    ending = conversation.step().json or {}

    assert ending["state"] == "failed"
    assert ending["problem"]["code"] == "topup_not_loadable"
    assert small.platform.topup_state(order_id) == "refunding"


def test_an_answer_that_did_not_come_is_asked_for(world: World) -> None:
    order_id, refund_id = world.started()
    world.desk.sends, world.desk.queries = [SILENT], [PENDING, DONE]

    world.refunds.send(refund_id)
    unknown = world.states(order_id)
    for _ in range(2):
        world.wait(hours=2)
        world.refunds.send(refund_id)

    assert unknown == ("refunding", "unknown")
    assert world.states(order_id) == ("refunded", "done")
    assert (len(world.desk.sent), len(world.desk.queried)) == (1, 2)
    assert {order.key for order in world.desk.queried} == {world.desk.sent[0].key}


def test_a_wallet_that_never_heard_of_it_is_sent_the_same_key_again(small: World) -> None:
    order_id, refund_id = small.started()
    small.desk.sends, small.desk.queries = [SILENT, DONE], [UNHEARD]

    small.refunds.send(refund_id)
    small.refunds.send(refund_id)

    assert small.states(order_id) == ("refunded", "done")
    assert [order.key for order in small.desk.sent] == [f"{refund_id}-1"] * 2


def test_a_wallet_that_goes_on_saying_nothing_is_asked_ever_less_often(small: World) -> None:
    order_id, refund_id = small.started()
    small.desk.sends, small.desk.queries = [SILENT], [SILENT]
    small.platform.change("DELETE FROM outbox")

    pauses = []
    for _ in range(12):
        small.refunds.send(refund_id)
        (row,) = small.platform.rows("SELECT due_at FROM outbox ORDER BY id DESC LIMIT 1")
        pauses.append(str(row.due_at))
        small.platform.change("DELETE FROM outbox")

    waits = [refund_pause(small, due) for due in pauses]
    assert waits == sorted(waits)
    assert waits[-1] == timedelta(hours=1)
    assert len(small.desk.sent) == 1
    assert small.states(order_id) == ("refunding", "unknown")


def refund_pause(world: World, due: str) -> timedelta:
    naive = world.platform.clock.now().replace(tzinfo=None)
    return type(naive).fromisoformat(due) - naive


def test_a_process_that_died_while_sending_is_followed_by_a_question(small: World) -> None:
    order_id, refund_id = small.started()
    small.desk.before = killed
    with pytest.raises(KeyboardInterrupt):
        small.refunds.send(refund_id)
    small.desk.before = nothing

    small.refunds.send(refund_id)  # too early: the first one may still be talking
    early = (len(small.desk.sent), len(small.desk.queried), small.staged())
    small.wait(seconds=IN_FLIGHT.total_seconds() + 1)
    small.refunds.send(refund_id)

    assert early == (0, 0, 2)
    assert (len(small.desk.sent), len(small.desk.queried)) == (0, 1)
    assert small.states(order_id) == ("refunded", "done")


def killed() -> None:
    raise KeyboardInterrupt


def nothing() -> None:
    return None


def test_a_refund_that_the_wallet_refuses_puts_the_order_back(world: World) -> None:
    order_id, refund_id = world.started()
    world.desk.sends = [REFUSED]

    world.refunds.send(refund_id)

    assert world.states(order_id) == ("paid", "failed")
    assert balances(world.platform) == BACK_IN_SUSPENSE


def test_a_refused_refund_is_asked_for_again_under_a_new_key(small: World) -> None:
    order_id, refund_id = small.started()
    small.desk.sends = [REFUSED, DONE]
    small.refunds.send(refund_id)

    small.platform.post(f"/v1/topups/{order_id}/refund")
    small.refunds.send(refund_id)

    assert [order.key for order in small.desk.sent] == [f"{refund_id}-1", f"{refund_id}-2"]
    assert small.states(order_id) == ("refunded", "done")
    assert balances(small.platform) == GONE


def test_a_refused_refund_leaves_an_order_that_can_be_loaded(small: World) -> None:
    element = blank()
    order_id = str(small.platform.order_topup(small.platform.issue(element))["order_id"])
    small.platform.post(f"/v1/topups/{order_id}/refund")
    small.desk.sends = [REFUSED]
    small.refunds.send(small.refund_of(order_id)["refund_id"])

    ending = small.platform.open(order_id, element).finish()

    assert ending["state"] == "done"
    assert small.states(order_id) == ("loaded", "failed")


def test_an_answer_to_an_earlier_round_changes_nothing(small: World) -> None:
    order_id, refund_id = small.started()
    small.desk.sends = [REFUSED]
    small.refunds.send(refund_id)
    small.platform.post(f"/v1/topups/{order_id}/refund")

    small.refunds._take(refund_id, f"{refund_id}-1", DONE)

    assert small.states(order_id) == ("refunding", "requested")


def test_a_wallet_that_does_not_listen_keeps_the_refund_waiting(small: World) -> None:
    order_id, refund_id = small.started()
    small.desk.reachable = False

    small.refunds.send(refund_id)

    assert small.states(order_id) == ("refunding", "requested")
    assert small.desk.sent == []


def test_an_unknown_refund_is_no_refund(small: World) -> None:
    with pytest.raises(NotFound):
        small.refunds.send("ref_unknown")


def test_what_nobody_loads_goes_back_by_itself(world: World) -> None:
    old = str(world.platform.order_topup(CARD)["order_id"])
    world.wait(days=4)
    young = str(world.platform.order_topup(CARD)["order_id"])
    world.wait(days=3, seconds=1)

    world.refunds.sweep()

    assert [world.platform.topup_state(order_id) for order_id in (old, young)] == ["refunding", "paid"]
    assert world.refund_of(old)["reason"] == "not_loaded_in_time"


def test_what_the_wallet_refused_is_not_sent_back_and_forth(small: World) -> None:
    order_id, refund_id = small.started()
    small.desk.sends = [REFUSED]
    small.refunds.send(refund_id)
    small.wait(days=30)

    small.refunds.sweep()

    assert small.states(order_id) == ("paid", "failed")


def test_nothing_goes_back_by_itself_where_that_is_switched_off(small: World) -> None:
    order_id = small.platform.order_topup(CARD)["order_id"]
    small.wait(days=365)

    Refunds(small.platform.built.store, small.desk, small.platform.clock, None).sweep()

    assert small.platform.topup_state(str(order_id)) == "paid"


def test_an_order_that_was_loaded_after_the_sweep_looked_is_left_alone(small: World) -> None:
    element = blank()
    order_id = str(small.platform.order_topup(small.platform.issue(element))["order_id"])
    small.wait(days=8)
    refunds = small.refunds
    small.platform.open(order_id, element).finish()

    touched = refunds.sweep()

    assert touched == 0
    assert small.platform.topup_state(order_id) == "loaded"


def test_a_refund_that_lost_its_job_is_taken_up_again(small: World) -> None:
    _, refund_id = small.started()
    small.platform.change("DELETE FROM outbox")
    small.wait(seconds=FORGOTTEN.total_seconds() + 3600)

    small.refunds.sweep()

    assert [
        row.subject_id for row in small.platform.rows("SELECT subject_id FROM outbox WHERE job='send_refund'")
    ] == [refund_id]


def test_a_refund_that_cannot_be_sent_is_not_taken_up_again(small: World) -> None:
    small.started()
    small.platform.change("DELETE FROM outbox")
    small.wait(days=1)
    small.desk.reachable = False

    small.refunds.sweep()

    assert small.staged() == 0


def test_many_requests_at_once_start_one_refund(world: World) -> None:
    order_id = str(world.platform.order_topup(CARD)["order_id"])
    together = threading.Barrier(8)
    assert world.platform.app is not None  # built before the threads share it

    def ask(_number: int) -> int:
        together.wait()
        return world.platform.post(f"/v1/topups/{order_id}/refund").status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = set(pool.map(ask, range(8)))

    assert statuses == {200}
    assert len(world.platform.rows("SELECT id FROM refund")) == 1
    assert balances(world.platform) == OWED


def test_many_processes_send_one_refund_once(world: World) -> None:
    _, refund_id = world.started()
    refunds, together = world.refunds, threading.Barrier(8)

    def send(_number: int) -> None:
        together.wait()
        refunds.send(refund_id)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(send, range(8)))

    assert len(world.desk.sent) == 1
    assert balances(world.platform) == GONE


def test_a_refund_is_told_to_the_audit_trail(small: World) -> None:
    order_id, refund_id = small.started()
    small.refunds.send(refund_id)

    rows = small.platform.rows("SELECT actor, action, subject_id FROM audit WHERE stream = 'refunds'")

    assert [tuple(row) for row in rows] == [
        ("wallet", "refund_started", refund_id),
        ("platform", "refund_confirmed", refund_id),
    ]
    assert small.platform.topup_state(order_id) == "refunded"
