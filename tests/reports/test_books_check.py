"""The check agrees with a history in which everything happened, and finds whatever is changed afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from ota.reports.books_check import check_books
from tests.books import checked, checked_store
from tests.platform import Platform
from tests.reports.lives import CARD, History, Lives


def test_a_history_of_everything_agrees_with_its_books(any_platform: Platform) -> None:
    Lives(any_platform).live()

    report = checked(any_platform)

    assert report.differences == []
    assert report.payments == 10
    assert report.captured_fen == 9 * 5000 + 4000
    assert report.refunded_fen == 5000
    assert report.on_cards_fen == 5000
    assert report.suspense_fen == 5 * 5000  # paid, refused, surplus' own, dead, uncertain
    assert report.refund_payable_fen == 5000 + 4000
    assert report.written_off_fen == 5000
    assert report.fees_fen == 0
    assert report.captured_fen == (
        report.refunded_fen
        + report.on_cards_fen
        + report.suspense_fen
        + report.refund_payable_fen
        + report.fees_fen
        + report.written_off_fen
    )


def test_empty_books_agree(any_platform: Platform) -> None:
    report = checked(any_platform)

    assert (report.payments, report.journals, report.differences) == (0, 0, [])


def test_the_progress_of_a_long_check_is_told(platform: Platform) -> None:
    for _ in range(3):
        platform.order_topup(CARD)
    steps: list[int] = []

    with platform.built.store.snapshot() as tx:
        check_books(tx, steps.append)

    assert sum(steps) == 3


ORDER = "UPDATE topup_order SET state = '{}' WHERE id = :{}"
LOAD = "(SELECT id FROM journal WHERE kind = 'load_proven' AND subject_id = :payment_loaded)"
CHANGES = [
    # the books
    pytest.param(
        "DELETE FROM posting WHERE journal_id = " + LOAD,  # noqa: S608
        {"journal_differs", "journal_unbalanced", "balance", "suspense"},
        id="lines deleted",
    ),
    pytest.param(
        "DELETE FROM posting WHERE line = 2 AND journal_id = " + LOAD,  # noqa: S608
        {"journal_differs", "journal_unbalanced", "balance"},
        id="one line deleted",
    ),
    pytest.param(
        "UPDATE posting SET amount_fen = amount_fen * 2 WHERE journal_id = " + LOAD,  # noqa: S608
        {"journal_differs", "balance", "suspense"},
        id="amount doubled on both sides",
    ),
    pytest.param(
        "UPDATE posting SET account_id = 'suspense:5810' WHERE account_id = 'loss:5810'",
        {"journal_differs", "balance", "suspense"},
        id="loss hidden in suspense",
    ),
    pytest.param(
        "UPDATE journal SET reference = 'att_other' WHERE kind = 'load_proven'",
        {"journal_missing", "journal_unexpected"},
        id="another reference",
    ),
    pytest.param(
        "UPDATE journal SET subject_id = 'pay_nobody' WHERE kind = 'load_proven'",
        {"journal_missing", "journal_stray"},
        id="another subject",
    ),
    pytest.param(
        "UPDATE journal SET business_day = (SELECT MIN(day) FROM business_day) WHERE kind = 'load_proven'",
        {"business_day"},
        id="earlier day",
    ),
    pytest.param(
        "UPDATE journal SET business_day = (SELECT MAX(day) FROM business_day) WHERE kind = 'load_proven'",
        {"business_day"},
        id="later day",
    ),
    pytest.param(
        "UPDATE account SET owner = '5880' WHERE id = 'suspense:5810'", {"account"}, id="account renamed"
    ),
    # the calendar
    pytest.param(
        "UPDATE business_day SET starts_at = '2026-11-29 17:00:00' WHERE day = (SELECT MAX(day) FROM business_day)",
        {"calendar"},
        id="gap between days",
    ),
    pytest.param(
        "UPDATE business_day SET ends_at = '2020-01-01 00:00:00' WHERE day = (SELECT MAX(day) FROM business_day)",
        {"calendar"},
        id="day that ends before it begins",
    ),
    # orders
    pytest.param(
        ORDER.format("loaded", "paid"), {"state", "balance", "history", "suspense"}, id="paid: loaded"
    ),
    pytest.param(
        ORDER.format("paid", "loaded"),
        {"state", "journal_missing", "journal_unexpected", "balance", "history", "suspense"},
        id="loaded: paid",
    ),
    pytest.param(
        ORDER.format("refunded", "paid"), {"state", "balance", "history", "suspense"}, id="paid: refunded"
    ),
    pytest.param(
        ORDER.format("refunding", "refunded"), {"state", "balance", "history"}, id="refunded: refunding"
    ),
    pytest.param(
        ORDER.format("refunded", "refunding"), {"state", "balance", "history"}, id="refunding: refunded"
    ),
    pytest.param(ORDER.format("closed", "paid"), {"state", "history"}, id="paid: closed"),
    pytest.param(ORDER.format("paid", "created"), {"state", "history"}, id="created: paid"),
    pytest.param(ORDER.format("paid", "uncertain"), {"state", "history"}, id="uncertain: paid"),
    pytest.param(ORDER.format("loading", "paid"), {"state", "history"}, id="paid: loading"),
    pytest.param(
        ORDER.format("written_off", "paid"),
        {"evidence", "journal_missing", "balance", "history", "suspense"},
        id="paid: written off",
    ),
    pytest.param(
        "UPDATE topup_order SET amount_fen = 6000 WHERE id = :loaded",
        {"payment_amount", "loaded_amount"},
        id="order's amount",
    ),
    pytest.param(
        "DELETE FROM topup_order WHERE id = :paid", {"order_missing", "history"}, id="order deleted"
    ),
    # payments
    pytest.param(
        "DELETE FROM payment WHERE id = :payment_paid",
        {"journal_stray", "state", "balance", "suspense"},
        id="payment deleted",
    ),
    pytest.param(
        "UPDATE payment SET amount_fen = 1 WHERE id = :payment_paid",
        {"payment_amount", "journal_differs", "balance", "suspense"},
        id="payment's amount",
    ),
    pytest.param(
        "UPDATE payment SET city = '5880' WHERE id = :payment_paid",
        {"journal_differs", "balance", "suspense"},
        id="city",
    ),
    # refunds
    pytest.param(
        "DELETE FROM refund WHERE reason = 'amount_differs' OR reason = 'paid_twice'",
        {"refund_missing", "journal_unexpected", "balance", "history", "suspense"},
        id="surplus without refund",
    ),
    pytest.param(
        "UPDATE refund SET amount_fen = 9 WHERE order_id = :refunding",
        {"refund_amount"},
        id="refund's amount",
    ),
    pytest.param(
        "UPDATE refund SET reason = 'requested' WHERE reason = 'paid_twice'", {"refund_reason"}, id="reason"
    ),
    pytest.param(
        "UPDATE refund SET reason = 'four_eyes' WHERE order_id = :refunding",
        {"evidence"},
        id="nobody decided",
    ),
    pytest.param(
        "UPDATE refund SET state = 'done' WHERE order_id = :refunding",
        {"state", "journal_missing", "balance", "history", "suspense"},
        id="refund done",
    ),
    pytest.param(
        "UPDATE refund SET round = 2 WHERE order_id = :refunding",
        {"journal_missing", "history"},
        id="another round",
    ),
    # attempts and evidence
    pytest.param(
        "UPDATE load_attempt SET state = 'loaded' WHERE order_id = :uncertain",
        {"state", "evidence", "journal_missing", "balance", "history"},
        id="uncertain attempt loaded",
    ),
    pytest.param(
        "UPDATE load_attempt SET state = 'loaded', online_atc = 999 WHERE order_id = :dead",
        {"state", "evidence", "journal_missing", "balance", "history"},
        id="dead attempt loaded",
    ),
    pytest.param(
        "UPDATE load_attempt SET state = 'dead' WHERE order_id = :loaded",
        {"state", "evidence", "journal_unexpected", "history"},
        id="loaded attempt dead",
    ),
    pytest.param(
        "UPDATE load_attempt SET amount_fen = 1 WHERE order_id = :loaded",
        {"loaded_amount"},
        id="loaded amount",
    ),
    pytest.param(
        "UPDATE load_attempt SET order_id = :loaded, state = 'loaded', online_atc = 998 WHERE order_id = :dead",
        {"loaded_twice", "evidence", "journal_missing", "history"},
        id="loaded twice",
    ),
    pytest.param("DELETE FROM evidence WHERE order_id = :loaded", {"evidence"}, id="no evidence of the load"),
    pytest.param("DELETE FROM evidence WHERE order_id = :dead", {"evidence"}, id="no evidence of the end"),
    pytest.param(
        "DELETE FROM evidence WHERE kind = 'four_eyes'", {"evidence", "approval"}, id="no word of two people"
    ),
]


@pytest.mark.parametrize(("statement", "found"), CHANGES)
def test_whatever_is_changed_is_found(
    history: History, tmp_path: Path, statement: str, found: set[str]
) -> None:
    store = history.tampered(tmp_path / "ota.sqlite3", statement)

    report = checked_store(store)

    store.close()
    assert {each.what for each in report.differences} == found


def test_a_journal_of_a_closed_day_may_stand_on_the_next(platform: Platform) -> None:
    platform.order_topup(CARD)
    closed = f"{platform.clock.now():%Y-%m-%d %H:%M:%S}"
    platform.change("UPDATE business_day SET closed_at = :at WHERE day = '2026-11-23'", at=closed)
    platform.order_topup(CARD)

    days = [str(row.business_day) for row in platform.rows("SELECT business_day FROM journal ORDER BY id")]

    assert days == ["2026-11-23", "2026-11-24"]
    assert checked(platform).differences == []


def test_a_difference_tells_what_and_where(history: History, tmp_path: Path) -> None:
    store = history.tampered(tmp_path / "ota.sqlite3", ORDER.format("closed", "paid"))

    found = {each.what: each for each in checked_store(store).differences}

    store.close()
    assert found.keys() == {"state", "history"}
    assert found["state"].subject == history.names["payment_paid"]
    assert found["state"].detail == "closed with a payment"
    assert found["history"].subject == history.names["paid"]
    assert found["history"].detail == "topup paid: told by its last step, not by its row"
