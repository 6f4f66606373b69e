"""Where a captured payment is, told from orders, attempts and refunds alone: the books are held against it.

Written without the code that writes the books, so that a mistake there does not cancel itself out here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from ota.reports.facts import Facts
from ota.topup.states import PENDING, AttemptState, RefundState

_PLACE_OF_ORDER: Final = {
    "paid": "suspense",
    "loading": "suspense",
    "uncertain": "suspense",
    "held": "suspense",
    "loaded": "card_liability",
    "refunding": "refund_payable",
    "refunded": None,
    "written_off": "loss",
}


def balances(facts: Facts) -> Iterator[tuple[str, int]]:
    """What this payment adds to which account: (account, fen), debit positive, as many as there are."""
    payment = facts.payment
    amount = payment.amount_fen
    returned = facts.refund is not None and facts.refund.state == RefundState.DONE
    if not returned:
        yield f"channel:{payment.channel}", amount
    place = _place(facts, returned=returned)
    if place is not None:
        yield f"{place}:{payment.city}", -amount
    if place != "card_liability" and loaded_attempts(facts):  # two people had given it up before
        yield f"card_liability:{payment.city}", -amount
        yield f"loss:{payment.city}", amount


def loaded_attempts(facts: Facts) -> list[Any]:
    """The attempts that are proven to be in a purse."""
    return [row for row in facts.attempts if row.state == AttemptState.LOADED]


def _place(facts: Facts, *, returned: bool) -> str | None:
    if facts.serves_an_order:
        return _PLACE_OF_ORDER.get(facts.order.state, "suspense") if facts.order is not None else "suspense"
    if returned:
        return None
    if facts.refund is not None and facts.refund.state in PENDING:
        return "refund_payable"
    earned = facts.issuance is not None and facts.issuance.state == "active"
    return "fee" if earned else "suspense"
