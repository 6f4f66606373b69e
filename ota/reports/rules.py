"""What must be true of one payment: its order, its attempts, its refund and the evidence agree with each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ota.reports.facts import Facts
from ota.reports.places import loaded_attempts
from ota.topup.states import OPEN, AttemptState, RefundReason, RefundState, TopupState

Complaint = tuple[str, str]
"""What is wrong, as a stable word, and the details."""

_UNPAID: Final = (TopupState.CREATED, TopupState.CLOSED)
_REFUND_OF: Final = {
    TopupState.REFUNDING: (RefundState.REQUESTED, RefundState.SENT, RefundState.UNKNOWN),
    TopupState.REFUNDED: (RefundState.DONE,),
}
_OPEN_ATTEMPTS: Final = {
    TopupState.LOADING: {AttemptState.AUTHORISED},
    TopupState.UNCERTAIN: {AttemptState.UNCERTAIN},
    TopupState.HELD: {AttemptState.AUTHORISED, AttemptState.UNCERTAIN},
}
_BY_PEOPLE: Final = (AttemptState.DECIDED, AttemptState.GIVEN_UP)
"""Attempts whose order's money two people settled without knowing what the card holds."""


def complaints(facts: Facts) -> Iterator[Complaint]:
    """Everything that does not agree."""
    yield from _refund(facts)
    if not facts.serves_an_order:
        return
    if facts.order is None:
        yield "order_missing", f"no order {facts.payment.order_id}"
        return
    yield from _order(facts, TopupState(facts.order.state))
    yield from _attempts(facts, TopupState(facts.order.state))
    yield from _evidence(facts)


def _refund(facts: Facts) -> Iterator[Complaint]:
    payment, refund = facts.payment, facts.refund
    if refund is None:
        if payment.surplus is not None:
            yield "refund_missing", f"surplus ({payment.surplus}) and nothing sends it back"
        return
    if refund.amount_fen != payment.amount_fen:
        yield "refund_amount", f"refund of {refund.amount_fen} for a payment of {payment.amount_fen}"
    if payment.surplus not in (None, refund.reason):
        yield "refund_reason", f"{refund.reason} for a payment that is surplus by {payment.surplus}"


def _order(facts: Facts, state: TopupState) -> Iterator[Complaint]:
    assert facts.order is not None  # noqa: S101  asked before
    if facts.payment.amount_fen != facts.order.amount_fen:
        paid, asked = facts.payment.amount_fen, facts.order.amount_fen
        yield "payment_amount", f"paid {paid}, ordered {asked}"
    if state in _UNPAID:
        yield "state", f"{state} with a payment"
    found = None if facts.refund is None else RefundState(facts.refund.state)
    allowed = _REFUND_OF.get(state, (None, RefundState.FAILED))
    if found not in allowed:
        yield "state", f"{state} with a refund that is {found or 'not there'}"


def _attempts(facts: Facts, state: TopupState) -> Iterator[Complaint]:
    assert facts.order is not None  # noqa: S101  asked before
    loaded = loaded_attempts(facts)
    if len(loaded) > 1:
        yield "loaded_twice", f"{len(loaded)} attempts are in a purse"
    if any(row.amount_fen != facts.order.amount_fen for row in loaded):
        yield "loaded_amount", f"loaded {[row.amount_fen for row in loaded]}"
    if (state is TopupState.LOADED) != bool(loaded) and not _given_up(facts):
        yield "state", f"{state} with {len(loaded)} loaded attempts"
    waiting = {AttemptState(row.state) for row in facts.attempts if row.state in OPEN}
    allowed = _OPEN_ATTEMPTS.get(state, set[AttemptState]())
    # A held or released order may have lost its attempt to a decision; a loading one always has it.
    if not waiting <= allowed or (state is TopupState.LOADING and not waiting):
        yield "state", f"{state} with open attempts {sorted(waiting)}"


def _given_up(facts: Facts) -> bool:
    """Whether two people settled the money: then the card may show later what it likes."""
    return any(row.kind == "four_eyes" for row in facts.evidence)


def _evidence(facts: Facts) -> Iterator[Complaint]:
    told = {
        (row.attempt_id, row.data["loaded"])
        for row in facts.evidence
        if row.attempt_id is not None and "loaded" in row.data
    }
    decided = {row.attempt_id for row in facts.evidence if row.kind == "four_eyes"}
    for attempt in facts.attempts:
        if attempt.state == AttemptState.LOADED and (attempt.id, True) not in told:
            yield "evidence", f"attempt {attempt.id} is loaded and nothing proves it"
        if attempt.state == AttemptState.DEAD and (attempt.id, False) not in told:
            yield "evidence", f"attempt {attempt.id} is dead and nothing proves it"
        if attempt.state in _BY_PEOPLE and attempt.id not in decided:
            yield "evidence", f"attempt {attempt.id} is {attempt.state} and nobody decided it"
    needs_two = facts.order is not None and facts.order.state == TopupState.WRITTEN_OFF
    needs_two |= facts.refund is not None and facts.refund.reason == RefundReason.FOUR_EYES
    if needs_two and not _given_up(facts):
        yield "evidence", "two people should stand for it, and nobody does"
