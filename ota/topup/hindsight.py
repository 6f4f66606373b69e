"""What a verified counter says about loads that are settled already: it may bear them out, or speak against them.

Nothing is decided here. What is kept is asked for later: before money goes back, and before a city's host is told.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from ota.core.values import CardNumber
from ota.registry.cards import Card
from ota.topup import attempts, evidence
from ota.topup.attempts import Attempt
from ota.topup.decision import Sighting, Verdict


def keep(
    tx: Connection,
    known: Card,
    live: Attempt | None,
    seen: Sighting,
    verdict: Verdict,
    now: datetime,
    *,
    is_replayable: bool,
) -> None:
    """Keep what a verified counter says beyond its verdict. ``is_replayable``: it may be one of long ago."""
    if is_replayable:
        denied = _denied(tx, known.number, live, verdict, seen.counter)
        if denied is not None:
            data = {"counter": seen.counter}
            evidence.note(tx, denied.order_id, denied.id, evidence.REPLAYABLE, data, now)
    if verdict is Verdict.FREE and known.last_atc is None and not seen.foreign_loads:
        _bear_out(tx, known.number, seen.counter, now)


def _denied(
    tx: Connection, card: CardNumber, live: Attempt | None, verdict: Verdict, counter: int
) -> Attempt | None:
    """The attempt that this counter says never arrived: the live one, or one that is booked as loaded."""
    if verdict is Verdict.NOT_LOADED:
        return live
    return attempts.loaded_at(tx, card, counter) if verdict is Verdict.FREE else None


def _bear_out(tx: Connection, card: CardNumber, counter: int, now: datetime) -> None:
    """The first counter after two people's word: one past the load that they confirmed is the card's own proof of it.

    Not where another load may have taken that counter: of another platform, or forgotten by a restore.
    """
    confirmed = attempts.loaded_at(tx, card, counter - 1)
    if confirmed is None or confirmed.restore_id is not None:
        return
    told = evidence.about(tx, confirmed.id)
    if evidence.CONFIRMED in told and evidence.MOVED_ON not in told:
        data = {"counter": counter}
        evidence.note(tx, confirmed.order_id, confirmed.id, evidence.MOVED_ON, data, now)
