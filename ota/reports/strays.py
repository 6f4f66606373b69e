"""Rules about what rests on a payment, or on another row that must be there: nothing stands for itself alone."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import and_, exists, not_, select

from ota.issuance.models import issuance_order
from ota.ledger.models import account, journal
from ota.reports.told_twice import Nothing, Rule, alike
from ota.topup.models import load_attempt, payment, refund, topup_order
from ota.topup.states import PaymentPurpose, TopupState


def rules() -> Iterator[Rule]:
    """What rests on a payment has it, fees and the orders of cards name each other, accounts are what they are called."""
    yield _journals()
    yield _orders()
    yield _loads()
    yield _refunds()
    yield from _fees()
    yield _accounts()


def _journals() -> Rule:
    of_nothing = not_(exists().where(payment.c.id == journal.c.subject_id))
    stray = select(journal.c.subject_id, journal.c.kind, journal.c.reference).where(of_nothing)
    return Nothing("journal_stray", "{0} {1} is about no payment", stray)


def _orders() -> Rule:
    theirs = and_(payment.c.order_id == topup_order.c.id, payment.c.surplus.is_(None))
    unpaid = (TopupState.CREATED, TopupState.CLOSED)
    moneyless = select(topup_order.c.id, topup_order.c.state).where(
        topup_order.c.state.not_in(unpaid), not_(exists().where(theirs))
    )
    return Nothing("state", "{0} without a payment", moneyless)


def _loads() -> Rule:
    """Also where the order says that it was never paid: no MAC2 leaves before the money is there."""
    theirs = and_(payment.c.order_id == load_attempt.c.order_id, payment.c.surplus.is_(None))
    unpaid = select(load_attempt.c.order_id, load_attempt.c.id).where(not_(exists().where(theirs)))
    return Nothing("attempt", "{0} is a load that nobody paid for", unpaid)


def _refunds() -> Rule:
    of_nothing = not_(exists().where(payment.c.id == refund.c.payment_id))
    stray = select(refund.c.id, refund.c.payment_id).where(of_nothing)
    return Nothing("refund_stray", "it returns {0}, which is no payment", stray)


def _fees() -> Iterator[Rule]:
    """The order of a card that costs something is taken together with its fee, and no fee without such an order."""
    asked = select(issuance_order.c.id, issuance_order.c.fee_fen).where(issuance_order.c.fee_fen > 0)
    paid = select(payment.c.order_id, payment.c.amount_fen).where(
        payment.c.purpose == PaymentPurpose.FEE, payment.c.surplus.is_(None)
    )
    yield from alike("fee", "a fee of {0} fen", ("the order of the card", asked), ("a payment", paid))


def _accounts() -> Rule:
    named = account.c.kind + ":" + account.c.owner
    wrong = select(account.c.id, account.c.kind, account.c.owner).where(account.c.id != named)
    return Nothing("account", "it says it is {0} of {1}", wrong)
