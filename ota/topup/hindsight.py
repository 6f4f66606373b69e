"""What a verified counter says about loads that are settled already: it may bear them out, or speak against them.

What is kept is asked for later: before money goes back, and before a city's host is told.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from ota.core.values import CardNumber
from ota.registry import cards
from ota.registry.cards import Card
from ota.topup import attempts, evidence, integrity
from ota.topup.attempts import Attempt
from ota.topup.decision import Sighting, Verdict
from ota.topup.errors import CardFrozen
from ota.topup.outcome import Stopped


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
        confirmed = attempts.loaded_at(tx, known.number, seen.counter - 1)
        # Another load of this platform may have taken that counter, and be forgotten by a restore.
        if confirmed is not None and confirmed.restore_id is None:
            bear_out(tx, known, confirmed, evidence.MOVED_ON, now)


def bear_out(tx: Connection, known: Card, confirmed: Attempt, proof: str, now: datetime) -> None:
    """The card itself proves a load that two people had confirmed; changes nothing about what is proven already."""
    told = evidence.about(tx, confirmed.id)
    if evidence.CONFIRMED in told and not told & evidence.PROOFS:
        data = {"counter": confirmed.counter, "loaded": True}
        evidence.note(tx, confirmed.order_id, confirmed.id, proof, data, now)
        if known.last_atc is None:
            cards.saw_counter(tx, known.number, confirmed.counter + 1, now)


def hold_refuted(tx: Connection, known: Card, counter: int, now: datetime) -> Stopped | None:
    """Hold the order whose load an answer of perhaps long ago denied, once the card has used up its counter.

    Either the load is in the purse after all, or somebody else loaded: loaded again, it might be there twice. None where no
    order is in question by that.
    """
    refuted = attempts.denied_before(tx, known.number, counter)
    if refuted is None:
        return None
    data = {"counter": refuted.counter, "seen": counter}
    evidence.note(tx, refuted.order_id, refuted.id, evidence.DENIAL_REFUTED, data, now)
    known = cards.lock(tx, known.number, known.city, now)  # it may be frozen by the same counter already
    integrity.freeze(tx, known, refuted.order_id, evidence.DENIAL_REFUTED, now)
    return Stopped(CardFrozen())


def _denied(
    tx: Connection, card: CardNumber, live: Attempt | None, verdict: Verdict, counter: int
) -> Attempt | None:
    """The attempt that this counter says never arrived: the live one, or one that is booked as loaded."""
    if verdict is Verdict.NOT_LOADED:
        return live
    return attempts.loaded_at(tx, card, counter) if verdict is Verdict.FREE else None
