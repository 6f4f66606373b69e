"""Writes the attempt that a card may be loaded by, once nothing that was settled before stands against it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from ota.card.purse import Load
from ota.core.errors import OtaError
from ota.core.ids import new_id
from ota.core.values import CardTime
from ota.hsm_adapter.errors import KeyNotUsable
from ota.store import outbox
from ota.topup import attempts
from ota.topup.attempts import Attempt
from ota.topup.errors import CardNotMade, NotLoadable
from ota.topup.jobs import SETTLE_SILENT_LOAD
from ota.topup.orders import TopupOrder
from ota.topup.outcome import Arrived, AskAgain, Stopped
from ota.topup.rules import LoadRules
from ota.topup.states import AttemptState, TopupEvent, TopupState

SILENCE: Final = timedelta(minutes=2)
"""How long a phone may keep a MAC2 before the attempt is called uncertain; nothing is decided by it."""


def authorise(
    tx: Connection,
    order: TopupOrder,
    load: Load,
    nonce: str,
    rules: LoadRules,
    bar: KeyNotUsable | None,
    now: datetime,
) -> Attempt | Arrived | AskAgain | Stopped:
    """Write the attempt of a locked order's load, or tell why there is none; MAC2 may leave after the commit.

    A ``bar`` stops the load before its attempt is written: behind it nobody could tell whether MAC2 was made.
    """
    if order.state is TopupState.LOADED:
        return Arrived(order)
    if (obstacle := _stands_against(order) or bar) is not None:
        return Stopped(obstacle)
    if load.amount != order.amount:
        return AskAgain()
    try:
        rules.city.limits.check_load(order.amount, load.answer.balance)
        load.answer.require_room(order.amount, rules.purse.ceiling)
    except OtaError as problem:
        return Stopped(problem)
    timed = Load(load.amount, load.terminal, load.answer, CardTime.at(now), load.transaction_type)
    attempt = Attempt(new_id("att"), order.id, order.card, nonce, AttemptState.AUTHORISED, timed)
    attempts.insert(tx, attempt, now)
    order.step(tx, TopupEvent.LOAD_AUTHORISED, now, {"attempt": attempt.id})
    outbox.stage(tx, SETTLE_SILENT_LOAD, attempt.id, due_at=now + SILENCE)
    return attempt


def _stands_against(order: TopupOrder) -> OtaError | None:
    if order.state is not TopupState.PAID:
        return NotLoadable(order.state)
    return CardNotMade() if order.is_without_card else None
