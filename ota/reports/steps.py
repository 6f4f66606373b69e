"""Rules about the history of states: every row is where its last step left it, and each step begins where one ended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Function, Label, String, Subquery, cast, func, select

from ota.city_hosts.models import hosted_load
from ota.issuance.models import issuance_order
from ota.registry.models import card, card_number
from ota.registry.states import NumberState
from ota.reports.told_twice import Nothing, Rule, Telling, alike
from ota.store.history import state_history
from ota.topup.models import load_attempt, refund, topup_order


@dataclass(frozen=True, slots=True)
class _Kept:
    """Rows whose every step is in the history, by the word that it has for them.

    ``unwritten`` is the state of rows without a step: a number comes into the inventory without one.
    """

    kind: str
    id: ColumnElement[str]
    state: ColumnElement[Any]
    unwritten: str | None = None


_KEPT: Final = (
    _Kept("topup", topup_order.c.id, topup_order.c.state),
    _Kept("load_attempt", load_attempt.c.id, load_attempt.c.state),
    _Kept("refund", refund.c.id, refund.c.state),
    _Kept("issuance", issuance_order.c.id, issuance_order.c.state),
    _Kept("hosted_load", hosted_load.c.load_id, hosted_load.c.state),
    _Kept("card", card.c.card_no, card.c.state),
    _Kept("card_number", card_number.c.card_no, card_number.c.state, unwritten=str(NumberState.FREE)),
)


def rules() -> Iterator[Rule]:
    """A row and its history tell the same state, and no step between the first one and the last is missing."""
    for kept in _KEPT:
        yield from _states(kept)
        yield _chain(kept)


def _states(kept: _Kept) -> Iterator[Rule]:
    steps = _steps(kept)
    state = cast(kept.state, String)
    row: Telling = select(kept.id, state)
    last: Telling = select(steps.c.subject_id, steps.c.after).where(steps.c.following.is_(None))
    if kept.unwritten is not None:
        row = row.where(state != kept.unwritten)
        last = last.where(steps.c.after != kept.unwritten)
    yield from alike("history", f"{kept.kind} {{0}}", ("its row", row), ("its last step", last))


def _chain(kept: _Kept) -> Rule:
    steps = _steps(kept)
    ended_at: ColumnElement[Any] = steps.c.previous
    if kept.unwritten is not None:
        ended_at = func.coalesce(ended_at, kept.unwritten)
    torn = select(steps.c.subject_id, steps.c.id, steps.c.before, ended_at)
    says = f"{kept.kind}: step {{0}} begins at {{1}}, the one before it ended at {{2}}"
    return Nothing("history", says, torn.where(steps.c.before.is_distinct_from(ended_at)))


def _steps(kept: _Kept) -> Subquery:
    """The steps of one kind, each with what the step before it led to, and the id of the one after it."""
    all_steps = state_history.c

    def in_order(told: Function[Any], name: str) -> Label[Any]:
        return told.over(partition_by=all_steps.subject_id, order_by=all_steps.id).label(name)

    return (
        select(
            all_steps.id,
            all_steps.subject_id,
            all_steps.before,
            all_steps.after,
            in_order(func.lag(all_steps.after), "previous"),
            in_order(func.lead(all_steps.id), "following"),
        )
        .where(all_steps.kind == kept.kind)
        .subquery()
    )
