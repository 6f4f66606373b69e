"""Rules about the audit trail: it tells of each decision, and of each beginning and end of a refund's round."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from sqlalchemy import String, case, cast, func, literal, select

from ota.reports.told_twice import Rule, Telling, alike
from ota.service_desk.models import approval
from ota.service_desk.states import Action, Outcome
from ota.store import audit
from ota.store.history import state_history
from ota.topup.models import refund
from ota.topup.states import RefundEvent

_BEGIN: Final = ("started", str(RefundEvent.STARTED_AGAIN))
_END: Final = (str(RefundEvent.CONFIRMED), str(RefundEvent.REFUSED), str(RefundEvent.PAID_BY_HAND))

_ABOUT_ORDERS: Final = {
    str(Action.WRITE_OFF): "written_off",
    str(Action.CONFIRM_LOAD): "load_confirmed",
    str(Action.REVERSE_CONFIRMATION): "confirmation_reversed",
    str(Action.RELEASE_ORDER): "order_released",
}
"""Decisions about an order's money, by what the trail of refunds calls them."""

_entry: Final = audit.audit.c
_step: Final = state_history.c


def rules() -> Iterator[Rule]:
    """Decisions and refunds against their entries."""
    yield from _decisions()
    yield from _decisions_about_orders()
    yield from _rounds()
    yield from _refunds()


def _decisions() -> Iterator[Rule]:
    """Who proposed and who approved. What a restore rejects it rejects without an entry for each."""
    approved = approval.c.outcome == Outcome.APPROVED
    for action, decided in (
        ("proposed", select(approval.c.id, approval.c.maker)),
        ("approved", select(approval.c.id, approval.c.checker).where(approved)),
    ):
        told = select(_entry.subject_id, _entry.actor).where(
            _entry.stream == audit.DECISIONS, _entry.action == action
        )
        yield from alike("audit", f"{action} by {{0}}", ("the decision", decided), ("the trail", told))


def _decisions_about_orders() -> Iterator[Rule]:
    action = cast(approval.c.action, String)
    decided = (
        select(approval.c.subject_id, case(_ABOUT_ORDERS, value=action), func.count())
        .where(approval.c.outcome == Outcome.APPROVED, action.in_(_ABOUT_ORDERS))
        .group_by(approval.c.subject_id, approval.c.action)
    )
    told = _entries(_ABOUT_ORDERS.values())
    yield from alike("audit", "{0}, times {1}", ("decisions", decided), ("the trail", told))


def _rounds() -> Iterator[Rule]:
    begun = (
        select(_step.subject_id, func.count())
        .where(_step.kind == "refund", _step.event.in_(_BEGIN))
        .group_by(_step.subject_id)
    )
    rounds = select(refund.c.id, refund.c.round)
    yield from alike("history", "refund in round {0}", ("its row", rounds), ("its steps", begun))


def _refunds() -> Iterator[Rule]:
    taken = (
        select(_step.subject_id, literal("refund_") + _step.event, func.count())
        .where(_step.kind == "refund", _step.event.in_((*_BEGIN, *_END)))
        .group_by(_step.subject_id, _step.event)
    )
    told = _entries(f"refund_{event}" for event in (*_BEGIN, *_END))
    yield from alike("audit", "{0}, times {1}", ("its steps", taken), ("the trail", told))


def _entries(actions: Iterable[str]) -> Telling:
    """How often the trail of refunds tells of these, by subject."""
    return (
        select(_entry.subject_id, _entry.action, func.count())
        .where(_entry.stream == audit.REFUNDS, _entry.action.in_(list(actions)))
        .group_by(_entry.subject_id, _entry.action)
    )
