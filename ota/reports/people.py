"""Rules about what takes two people: every such step and all evidence of it has its decision, and the other way round."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from sqlalchemy import Connection, Row, String, and_, case, cast, func, or_, select

from ota.reports.told_twice import Found, Rule, Telling, alike
from ota.service_desk.models import approval
from ota.service_desk.states import Action, Outcome
from ota.store.history import state_history
from ota.topup import evidence
from ota.topup.models import evidence as evidence_table
from ota.topup.models import payment, refund
from ota.topup.states import PaymentPurpose

_ALWAYS: Final = {
    Action.REFUND: "four_eyes",
    Action.WRITE_OFF: "four_eyes",
    Action.RECORD_REFUND: "four_eyes",
    Action.RELEASE_ORDER: "four_eyes_release",
    Action.CONFIRM_LOAD: evidence.CONFIRMED,
    Action.REVERSE_CONFIRMATION: evidence.REVERSED,
}
"""What each decision leaves as evidence."""

_MAY_LEAVE: Final = {
    # where the refund's order was loaded again since, and nobody knows how that ended
    (Action.REFUND_AGAIN, "four_eyes"),
    (Action.REFUND_BY_HAND, "four_eyes"),
    # where a restore forgot the attempt
    (Action.CONFIRM_LOAD, "four_eyes"),
}
_OF_PEOPLE: Final = frozenset(_ALWAYS.values())

_STEPS: Final = {
    ("topup", "written_off"): Action.WRITE_OFF,
    ("topup", "confirmation_reversed"): Action.REVERSE_CONFIRMATION,
    ("topup", "released"): Action.RELEASE_ORDER,
    ("topup", "found_unused"): Action.RELEASE_ORDER,
    ("refund", "paid_by_hand"): Action.REFUND_BY_HAND,
    ("issuance", "given_up"): Action.ABANDON_ISSUANCE,
    ("card", "released"): Action.RELEASE_CARD,
}
"""Steps that nothing but a decision takes."""

_APPROVED: Final = approval.c.outcome == Outcome.APPROVED


def rules() -> Iterator[Rule]:
    """Decisions against steps and evidence."""
    yield from alike("approval", "{0}, times {1}", ("decisions", _decided()), ("steps", _taken()))
    yield _evidence


def _decided() -> Telling:
    """How often people decided on each of `_STEPS`; to record a refund is to pay the order's one by hand."""
    recorded = approval.c.action == Action.RECORD_REFUND
    its_money = and_(
        recorded,
        payment.c.order_id == approval.c.subject_id,
        payment.c.purpose == PaymentPurpose.TOPUP,
        payment.c.surplus.is_(None),
    )
    step = case((recorded, str(Action.REFUND_BY_HAND)), else_=cast(approval.c.action, String))
    decisions = (
        select(func.coalesce(refund.c.id, approval.c.subject_id).label("subject"), step.label("action"))
        .select_from(approval)
        .outerjoin(payment, its_money)
        .outerjoin(refund, refund.c.payment_id == payment.c.id)
        .where(_APPROVED, approval.c.action.in_([*_STEPS.values(), Action.RECORD_REFUND]))
        .subquery()
        .c
    )
    told: Telling = select(decisions.subject, decisions.action, func.count())
    return told.group_by(decisions.subject, decisions.action)


def _taken() -> Telling:
    step = state_history.c
    is_taken = {
        action: or_(
            *(
                and_(step.kind == kind, step.event == event)
                for (kind, event), of in _STEPS.items()
                if of == action
            )
        )
        for action in dict.fromkeys(_STEPS.values())
    }
    action = case(*((condition, str(action)) for action, condition in is_taken.items()))
    taken = select(step.subject_id, action.label("action")).where(or_(*is_taken.values())).subquery().c
    told: Telling = select(taken.subject_id, taken.action, func.count())
    return told.group_by(taken.subject_id, taken.action)


def _evidence(tx: Connection) -> Iterator[Found]:
    """Evidence of people names their decision about its order, or about a refund of it; and each decision has some."""
    decisions = {row.id: row for row in tx.execute(select(approval).where(_APPROVED))}
    of_people = select(evidence_table).where(evidence_table.c.kind.in_(_OF_PEOPLE))
    rows = tx.execute(of_people.order_by(evidence_table.c.id)).all()
    order_of = _orders_of_refunds(tx)
    confirmed = {row.attempt_id for row in rows if row.kind == evidence.CONFIRMED}
    for row in rows:
        decision = decisions.get(row.data.get("decision"))
        if (
            decision is None
            and row.kind == "four_eyes"
            and row.data.get("loaded")
            and row.attempt_id in confirmed
        ):
            continue  # booking a confirmed load says whose word it is; the decision stands in the confirmation
        if decision is None or not _fits(row, decision, order_of):
            yield row.order_id, "approval", f"{row.kind} ({row.id}) names no decision of two people about it"
    named = {(row.data.get("decision"), row.kind) for row in rows}
    for decision in decisions.values():
        kind = _ALWAYS.get(decision.action)
        if kind is not None and (decision.id, kind) not in named:
            yield decision.subject_id, "approval", f"{decision.action} ({decision.id}) left no evidence"


def _fits(row: Row[Any], decision: Row[Any], order_of: Mapping[str, str]) -> bool:
    leaves = _ALWAYS.get(decision.action) == row.kind or (decision.action, row.kind) in _MAY_LEAVE
    return leaves and order_of.get(decision.subject_id, decision.subject_id) == row.order_id


def _orders_of_refunds(tx: Connection) -> Mapping[str, str]:
    decided = select(approval.c.subject_id).where(_APPROVED)
    rows = tx.execute(select(refund.c.id, refund.c.order_id).where(refund.c.id.in_(decided)))
    return {row.id: row.order_id for row in rows}
