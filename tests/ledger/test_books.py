"""Which account each thing that happens to a payment is taken from and put on."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ota.core.values import CityCode, Fen
from ota.ledger import books
from ota.ledger.accounts import AccountKind
from ota.ledger.books import Money
from ota.ledger.journals import Journal, JournalKind

MONEY = Money("pay_1", "wechat", CityCode("5880"), Fen(1234))


EVENTS: list[tuple[Callable[[], Journal], str, str, str, str]] = [
    (lambda: books.payment_taken(MONEY), "payment_taken", "pay_1", "channel:wechat", "suspense:5880"),
    (
        lambda: books.load_proven(MONEY, "att_1"),
        "load_proven",
        "att_1",
        "suspense:5880",
        "card_liability:5880",
    ),
    (
        lambda: books.load_after_decision(MONEY, "att_1"),
        "load_after_decision",
        "att_1",
        "loss:5880",
        "card_liability:5880",
    ),
    (
        lambda: books.refund_started(MONEY, "ref_1-1"),
        "refund_started",
        "ref_1-1",
        "suspense:5880",
        "refund_payable:5880",
    ),
    (
        lambda: books.refund_done(MONEY, "ref_1-1"),
        "refund_done",
        "ref_1-1",
        "refund_payable:5880",
        "channel:wechat",
    ),
    (lambda: books.written_off(MONEY), "written_off", "pay_1", "suspense:5880", "loss:5880"),
    (lambda: books.fee_earned(MONEY), "fee_earned", "pay_1", "suspense:5880", "fee:5880"),
]


@pytest.mark.parametrize(
    ("event", "kind", "reference", "debit", "credit"), EVENTS, ids=[event[1] for event in EVENTS]
)
def test_each_event_moves_the_whole_amount(
    event: Callable[[], Journal], kind: str, reference: str, debit: str, credit: str
) -> None:
    journal = event()

    booked = [(line.account.id, line.amount_fen) for line in journal.lines]
    assert (journal.kind, journal.reference, journal.subject_id) == (kind, reference, "pay_1")
    assert booked == [(debit, 1234), (credit, -1234)]


def test_every_kind_of_journal_has_a_test_here() -> None:
    assert {kind.value for kind in JournalKind} == {
        "payment_taken",
        "load_proven",
        "load_after_decision",
        "refund_started",
        "refund_done",
        "written_off",
        "fee_earned",
        "reversal",
    }


def test_money_is_on_the_account_of_its_channel_or_its_city() -> None:
    assert MONEY.at(AccountKind.CHANNEL).id == "channel:wechat"
    assert MONEY.at(AccountKind.LOSS).id == "loss:5880"
