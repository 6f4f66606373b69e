"""Evidence as rows: what cards, cities and people told of an order or of one attempt. Nothing here is ever changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, Select, select

from ota.core.ids import new_id
from ota.topup.models import evidence

REPLAYABLE: Final = "replayable_counter"
"""Evidence that says less than it seems: under a fixed terminal number a card's answers can be collected beforehand."""

CONFIRMED: Final = "load_confirmed"
"""Evidence: two people saw the load on the card."""

NOT_MOVED: Final = "counter_not_moved"
"""Evidence: the card answered with the counter that a load, booked as loaded, would have used up."""

MOVED_ON: Final = "counter_moved_on"
"""Evidence: the card answered with the counter after a load that people had confirmed; nobody else could have moved it."""

REVERSED: Final = "confirmation_reversed"
"""Evidence: two people took their confirmation back, the card having disproved it."""

RESTORED: Final = "database_restored"
"""Evidence: the database was brought back to a moment before; what happened to this money since is known outside."""


def of_replayable_proof() -> Select[tuple[str]]:
    """The orders whose loads were disproven by nothing better than an answer that may be an old one."""
    return select(evidence.c.order_id).where(evidence.c.kind == REPLAYABLE)


def rests_on_replayable_proof(tx: Connection, order_id: str) -> bool:
    """Whether the order is one of these."""
    mine = of_replayable_proof().where(evidence.c.order_id == order_id)
    return tx.execute(mine.limit(1)).scalar() is not None


def confirmed_by_people() -> Select[tuple[str | None]]:
    """The attempts that two people said to be in the purse, and that no card has borne out."""
    borne_out = _attempts_with(MOVED_ON)
    return _attempts_with(CONFIRMED).where(evidence.c.attempt_id.not_in(borne_out))


def note(
    tx: Connection,
    order_id: str,
    attempt_id: str | None,
    kind: str,
    data: Mapping[str, object],
    now: datetime,
) -> None:
    """Keep a piece of evidence: append-only, and never a MAC, a TAC or a full card number."""
    tx.execute(
        evidence.insert().values(
            id=new_id("evd"), order_id=order_id, attempt_id=attempt_id, kind=kind, data=dict(data), at=now
        )
    )


def about(tx: Connection, attempt_id: str) -> frozenset[str]:
    """The kinds of evidence that were kept of an attempt."""
    kinds = tx.execute(select(evidence.c.kind).where(evidence.c.attempt_id == attempt_id).distinct())
    return frozenset(kinds.scalars())


def data_of(tx: Connection, order_id: str, kind: str) -> Sequence[Mapping[str, object]]:
    """What the evidence of one kind about an order says."""
    said = select(evidence.c.data).where(evidence.c.order_id == order_id, evidence.c.kind == kind)
    return tx.execute(said).scalars().all()


def _attempts_with(kind: str) -> Select[tuple[str | None]]:
    return select(evidence.c.attempt_id).where(evidence.c.kind == kind, evidence.c.attempt_id.is_not(None))
