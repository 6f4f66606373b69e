"""Evidence as rows: what cards, cities and people told of an order or of one attempt. Nothing here is ever changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, Select, select

from ota.core.ids import new_id
from ota.topup.models import evidence

CONTRADICTED: Final = "city_host_contradicts"
"""Evidence: the card's city says the opposite of what this platform knows of the load."""

DENIAL_REFUTED: Final = "denial_refuted"
"""Evidence: the card has used up the counter at which an answer, perhaps an old one, had denied the load."""

TAC_AFTER_DECISION: Final = "tac_after_decision"
"""Evidence: a TAC that holds for a load that counts as disproven."""

REPLAYABLE: Final = "replayable_counter"
"""Evidence that says less than it seems: under a fixed terminal number a card's answers can be collected beforehand."""

CONFIRMED: Final = "load_confirmed"
"""Evidence: two people saw the load on the card."""

NOT_MOVED: Final = "counter_not_moved"
"""Evidence: the card answered with the counter that a load, booked as loaded, would have used up."""

MOVED_ON: Final = "counter_moved_on"
"""Evidence: the card answered with the counter after a load that people had confirmed; nobody else could have moved it."""

TAC: Final = "tac"
"""Evidence: the card's TAC for the load, verified."""

PROOFS: Final = frozenset({TAC, MOVED_ON})
"""What bears out a load that two people had confirmed; nobody takes it back after that."""

REVERSED: Final = "confirmation_reversed"
"""Evidence: two people took their confirmation back, the card having disproved it."""

RESTORED: Final = "database_restored"
"""Evidence: the database was brought back to a moment before; what happened to this money since is known outside."""


def of_weak_proof() -> Select[tuple[str]]:
    """The orders whose loads were disproven by an answer that may be an old one, or against their city's word."""
    return select(evidence.c.order_id).where(evidence.c.kind.in_((REPLAYABLE, CONTRADICTED)))


def rests_on_weak_proof(tx: Connection, order_id: str) -> bool:
    """Whether the order is one of these."""
    return _exists(tx, of_weak_proof().where(evidence.c.order_id == order_id))


def denial_is_in_doubt(tx: Connection, order_id: str) -> bool:
    """Whether something has come up since that speaks for a load of the order which counts as disproven."""
    speaks_for_it = evidence.c.kind.in_((DENIAL_REFUTED, TAC_AFTER_DECISION))
    return _exists(tx, select(evidence.c.id).where(evidence.c.order_id == order_id, speaks_for_it))


def attempts_with(kind: str) -> Select[tuple[str | None]]:
    """The attempts that there is evidence of this kind about."""
    return select(evidence.c.attempt_id).where(evidence.c.kind == kind, evidence.c.attempt_id.is_not(None))


def confirmed_by_people() -> Select[tuple[str | None]]:
    """The attempts that two people said to be in the purse, and that no card has borne out."""
    proven = select(evidence.c.attempt_id).where(
        evidence.c.kind.in_(PROOFS), evidence.c.attempt_id.is_not(None)
    )
    return attempts_with(CONFIRMED).where(evidence.c.attempt_id.not_in(proven))


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


def _exists(tx: Connection, query: Select[tuple[str]]) -> bool:
    return tx.execute(query.limit(1)).scalar() is not None
