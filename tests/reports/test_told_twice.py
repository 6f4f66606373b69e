"""What is changed so that the rest agrees with it contradicts what else tells of it: history, decisions, the audit trail."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ota.service_desk.states import Action
from tests.books import checked, checked_store
from tests.elements import blank
from tests.platform import MakePlatform, Platform
from tests.reports.lives import CARD, History
from tests.restores import tell
from tests.service_desk.test_decisions import Desk

ORDER = "UPDATE topup_order SET state = '{}' WHERE id = :{}"


ERASED = (
    "DELETE FROM posting WHERE journal_id IN (SELECT id FROM journal WHERE subject_id = :payment_{0})",
    "DELETE FROM journal WHERE subject_id = :payment_{0}",
    "DELETE FROM payment WHERE id = :payment_{0}",
)
TOGETHER = [
    # what belongs together, changed so that the rest agrees with it
    pytest.param(
        (*(each.format("loaded") for each in ERASED), ORDER.format("created", "loaded")),
        {"attempt", "history"},
        id="payment and journals of a loaded order erased",
    ),
    pytest.param(
        (*(each.format("paid") for each in ERASED), ORDER.format("closed", "paid")),
        {"history"},
        id="payment and journals of a paid order erased",
    ),
    pytest.param(
        (
            "DELETE FROM load_attempt WHERE order_id = :uncertain",
            ORDER.format("paid", "uncertain"),
        ),
        {"history"},
        id="open attempt erased",
    ),
    *(
        pytest.param(
            (
                f"UPDATE load_attempt SET state = '{state}' WHERE order_id = :uncertain",  # noqa: S608
                ORDER.format("paid", "uncertain"),
            ),
            {"evidence", "history"},
            id=f"open attempt {state}",
        )
        for state in ("given_up", "decided")
    ),
    pytest.param(("DELETE FROM approval",), {"approval", "audit"}, id="approvals erased"),
    pytest.param(
        ("UPDATE approval SET subject_id = 'top_other'",),
        {"approval", "audit"},
        id="approval of another order",
    ),
    pytest.param(
        ("UPDATE approval SET action = 'refund_by_hand'",),
        {"approval", "audit"},
        id="approval of something else",
    ),
    pytest.param(
        ("UPDATE approval SET outcome = 'rejected'",),
        {"approval", "audit"},
        id="approval turned into a refusal",
    ),
    pytest.param(("UPDATE approval SET checker = 'third'",), {"audit"}, id="approval of somebody else"),
    pytest.param(
        ("UPDATE evidence SET data = '{}' WHERE kind = 'four_eyes'",),
        {"approval"},
        id="two people without a decision",
    ),
    pytest.param(("DELETE FROM state_history",), {"history", "audit", "approval"}, id="history erased"),
    pytest.param(
        ("DELETE FROM state_history WHERE kind = 'topup' AND event = 'load_authorised'",),
        {"history"},
        id="steps taken out of the history",
    ),
    pytest.param(
        ("DELETE FROM state_history WHERE kind = 'topup' AND before IS NULL",),
        {"history"},
        id="beginnings taken out of the history",
    ),
    pytest.param(
        ("DELETE FROM audit WHERE stream = 'refunds'", "DELETE FROM audit_head WHERE stream = 'refunds'"),
        {"audit"},
        id="audit of refunds erased",
    ),
    pytest.param(
        ("UPDATE audit SET actor = 'second' WHERE stream = 'decisions'",),
        {"audit"},
        id="another maker in the trail",
    ),
    pytest.param(
        ("UPDATE card_number SET state = 'free' WHERE state = 'bound'",), {"history"}, id="number given back"
    ),
    pytest.param(("DELETE FROM card",), {"history"}, id="cards erased"),
    pytest.param(
        (
            "UPDATE business_day SET closed_at = '2026-11-23 23:59:00'",
            "UPDATE journal SET business_day = (SELECT MAX(day) FROM business_day) WHERE kind = 'load_proven'",
        ),
        {"business_day"},
        id="journal moved over a day that was closed afterwards",
    ),
    pytest.param(
        ("UPDATE business_day SET closed_at = '2026-11-22 00:00:00'",),
        {"business_day"},
        id="days closed before what stands on them",
    ),
]


@pytest.mark.parametrize(("statements", "found"), TOGETHER)
def test_whatever_is_changed_together_is_found(
    history: History, tmp_path: Path, statements: tuple[str, ...], found: set[str]
) -> None:
    store = history.tampered(tmp_path / "ota.sqlite3", *statements)

    report = checked_store(store)

    store.close()
    assert {each.what for each in report.differences} == found


FEE = {"cities/guangzhou.toml": [("issuance_fen = 0", "issuance_fen = 2000")]}
UNPAID_CARD = ("DELETE FROM posting", "DELETE FROM journal", "DELETE FROM payment")


@pytest.mark.parametrize(
    ("statements", "found"),
    [
        pytest.param(UNPAID_CARD, {"fee"}, id="fee erased"),
        pytest.param(
            ("DELETE FROM issuance_order",),
            {"fee", "history", "balance", "journal_unexpected", "suspense"},
            id="order of a card erased",
        ),
        pytest.param(("UPDATE issuance_order SET fee_fen = 1000",), {"fee"}, id="another fee asked"),
        pytest.param(("UPDATE issuance_order SET fee_fen = 0",), {"fee"}, id="no fee asked"),
    ],
)
def test_a_card_and_its_fee_belong_together(
    make_platform: MakePlatform, statements: tuple[str, ...], found: set[str]
) -> None:
    platform = make_platform(FEE)
    platform.issue(blank(), payment=platform.payment(2000))
    assert checked(platform).differences == []
    _without_guards(platform)

    for statement in statements:
        platform.change(statement)

    assert {each.what for each in checked(platform).differences} == found


def _without_guards(platform: Platform) -> None:
    """As an administrator of the database may take them off."""
    for (name,) in platform.rows("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
        platform.change(f"DROP TRIGGER {name}")


def _pay_by_hand(desk: Desk) -> None:
    order_id = str(desk.platform.order_topup(CARD)["order_id"])
    desk.platform.post(f"/v1/topups/{order_id}/refund")
    desk.decided(Action.REFUND_BY_HAND, desk.refund_of(order_id)["refund_id"], proof="cash, receipt 17")


def _record_refund(desk: Desk) -> None:
    order_id = str(desk.platform.order_topup(CARD)["order_id"])
    tell(desk.platform)
    desk.decided(Action.RECORD_REFUND, order_id, proof="ref_of_before")


def _abandon(desk: Desk) -> None:
    desk.decided(Action.ABANDON_ISSUANCE, str(desk.platform.order_card(blank())["order_id"]))


def _release(desk: Desk) -> None:
    desk.card_no = desk.platform.issue(desk.element)
    desk.platform.change("UPDATE card SET last_atc = 7")
    desk.contact().finish()
    desk.decided(Action.RELEASE_CARD, desk.card_no)


@pytest.mark.parametrize("act", [_pay_by_hand, _record_refund, _abandon, _release])
def test_what_takes_two_people_has_its_decision(platform: Platform, act: Callable[[Desk], None]) -> None:
    desk = Desk(platform)
    act(desk)
    before = checked(platform).differences
    _without_guards(platform)

    platform.change("DELETE FROM approval")
    platform.change("DELETE FROM audit WHERE stream = 'decisions'")

    found = checked(platform).differences
    assert before == []
    assert {each.what for each in found} == {"approval"}
    assert not any(desk.card_no in str(each) for each in found if desk.card_no)
