"""The verdict says what is wrong: every planted fault is found, and where there is none nothing is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from chaos import verdict
from chaos.ending import self_check, slow
from chaos.plan import make_plan
from chaos.program import Restart
from chaos.result import Order, Result
from chaos.truth import Card, Intent, Truth
from chaos.verdict import Verdict
from tests.elements import blank, tunion
from tests.platform import Platform

AMOUNT = 5000


@dataclass
class Run:
    """A card that was loaded twice, on a platform that knows it."""

    platform: Platform
    truth: Truth
    card: Card

    def verdict(self) -> Verdict:
        return verdict.judge(self.truth, verdict.read(self.platform.built.store))

    def pay(self, trade: str) -> Intent:
        """A paid order that the wallet was told of."""
        payment = self.platform.payment(AMOUNT, trade)
        order = self.platform.order_topup(str(self.card.number), AMOUNT, payment=payment)
        intent = Intent(str(self.card.number), trade, AMOUNT, order["order_id"], "paid")
        self.truth.intents.append(intent)
        return intent

    def load(self, trade: str) -> None:
        """An order whose money the card takes."""
        intent = self.pay(trade)
        element = self.card.element
        ending = self.platform.open(str(intent.order_id), element, reply=self.card.transmit).finish()
        intent.state = ending["outcome"]["state"]

    def set_balance(self, fen: int) -> None:
        purse = tunion(self.card.element).purse
        purse.state = replace(purse.state, balance=fen)


@pytest.fixture
def run(platform: Platform) -> Run:
    element = blank()
    card = Card(element, platform.issue(element))
    run = Run(platform, Truth(cards=[card]), card)
    run.load("trade-a")
    run.load("trade-b")
    return run


def test_where_nothing_is_wrong_nothing_is_found(run: Run) -> None:
    found = run.verdict()

    assert found.ok
    assert found == Verdict(0, 0, (), (), ())
    assert [intent.state for intent in run.truth.intents] == ["loaded", "loaded"]


def _forget_a_credit(run: Run) -> None:
    run.card.credits.pop()
    run.set_balance(AMOUNT)


def _take_money_twice(run: Run) -> None:
    run.card.credits.append((2, AMOUNT))
    run.set_balance(3 * AMOUNT)


def _pay_a_refund_twice(run: Run) -> None:
    run.truth.returned_fen["trade-a"] += AMOUNT


def _acknowledge_what_is_gone(run: Run) -> None:
    run.truth.intents.append(Intent(str(run.card.number), "trade-c", AMOUNT, "top_gone", "loaded"))


def _forget_who_paid(run: Run) -> None:
    run.truth.intents.pop()


def _take_back_an_acknowledged_load(run: Run) -> None:
    run.platform.change("UPDATE topup_order SET state = 'paid'")


def _leave_an_order(run: Run) -> None:
    run.pay("trade-c")


def _leave_an_issuance(run: Run) -> None:
    run.platform.order_card(blank(seed="another"))


def _lose_a_refunds_job(run: Run) -> None:
    run.platform.post(f"/v1/topups/{run.pay('trade-c').order_id}/refund", {})
    run.platform.change("DELETE FROM outbox")


def _kill_a_job(run: Run) -> None:
    run.platform.change("UPDATE outbox SET dead_at = due_at")


def _answer_with_a_mistake(run: Run) -> None:
    run.truth.mistakes["500 internal"] += 1


def _fill_a_purse_by_itself(run: Run) -> None:
    run.set_balance(9 * AMOUNT)


PLANTED: list[tuple[Callable[[Run], None], int, int, str]] = [
    (_forget_a_credit, AMOUNT, 0, "purse and platform differ"),
    (_take_money_twice, 0, AMOUNT, "purse and platform differ"),
    (_pay_a_refund_twice, 0, AMOUNT, ""),
    (_acknowledge_what_is_gone, AMOUNT, 0, "was acknowledged and is gone"),
    (_forget_who_paid, 0, AMOUNT, "was never made"),
    (_take_back_an_acknowledged_load, 0, 0, "was acknowledged as loaded and is paid"),
    (_leave_an_order, 0, 0, " is paid"),
    (_leave_an_issuance, 0, 0, " is number_held"),
    (_lose_a_refunds_job, 0, 0, " is refunding"),
    (_kill_a_job, 0, 0, "is dead"),
    (_answer_with_a_mistake, 0, 0, "500 internal"),
    (_fill_a_purse_by_itself, 0, 0, "its credits are others"),
]


@pytest.mark.parametrize(
    ("plant", "lost", "doubled", "said"), PLANTED, ids=[case[0].__name__ for case in PLANTED]
)
def test_a_planted_fault_is_found(
    run: Run, plant: Callable[[Run], None], lost: int, doubled: int, said: str
) -> None:
    plant(run)

    found = run.verdict()

    assert not found.ok
    assert (found.lost_fen, found.doubled_fen) == (lost, doubled)
    assert said in " ".join((*found.not_converged, *found.complaints))


def test_a_refund_under_way_is_explained_by_its_job(run: Run) -> None:
    run.platform.post(f"/v1/topups/{run.pay('trade-c').order_id}/refund", {})

    found = run.verdict()

    assert found.ok
    assert [line.partition(": ")[2] for line in found.explained] == [
        "its refund is requested and will be asked for"
    ]


def _settings(run: Run) -> dict[str, str]:
    settings = run.platform.settings
    return {"OTA_DATABASE_URL": settings.database_url, "OTA_DATA": str(settings.data)}


@pytest.mark.parametrize(
    ("change", "more_fen", "said"),
    [
        ("DELETE FROM posting WHERE amount_fen < 0", 0, "ota ledger check: exit 1"),
        ("UPDATE audit SET digest = previous", 0, "ota audit verify: exit 1"),
        ("SELECT 1", 1, "the books say 10000 fen on cards, the purses 10001"),
    ],
    ids=["a lost posting", "an edited audit trail", "a purse that holds more"],
)
def test_a_fault_that_the_platform_finds_itself_is_a_complaint(
    run: Run, change: str, more_fen: int, said: str
) -> None:
    run.platform.post(f"/v1/topups/{run.pay('trade-c').order_id}/refund", {})
    for (trigger,) in run.platform.rows("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
        run.platform.change(f'DROP TRIGGER "{trigger}"')  # whoever owns the database can do this
    run.platform.change(change)

    (complaint,) = self_check(_settings(run), run.card.state.balance + more_fen)

    assert said in complaint


def test_a_return_that_took_too_long_is_a_complaint() -> None:
    quick, late = Restart("web0", "web_worker", 29.9), Restart("postgres", "postmaster", 30.1)

    assert list(slow([quick, late])) == ["postgres took 30.1 s to come back (postmaster)"]


@pytest.mark.parametrize(
    ("found", "complaints", "ok"),
    [
        (Verdict(0, 0, (), ("explained",), ()), [], True),
        (Verdict(1, 0, (), (), ()), [], False),
        (Verdict(0, 0, (), (), ()), ["not drained"], False),
        (None, [], False),
    ],
    ids=["all is well", "a fen is lost", "a complaint", "no verdict"],
)
def test_a_run_is_good_only_if_nothing_at_all_is_wrong(
    found: Verdict | None, complaints: list[str], ok: bool
) -> None:
    result = Result(Order(), make_plan(1, 3, 10, ()), {}, verdict=found, complaints=complaints)

    assert result.ok is ok
    assert result.to_json()["ok"] is ok
