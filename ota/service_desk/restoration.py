"""What is done once a backup was restored, before anybody is served: all that may have changed since waits for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from ota.core.values import CityCode
from ota.issuance import orders as issuances
from ota.registry import numbers
from ota.registry.states import NumberState
from ota.service_desk.models import approval
from ota.service_desk.states import Outcome
from ota.store import audit, restores
from ota.store.audit import Entry
from ota.topup import restored

SKIPPED_NUMBERS: Final = 1_000
"""Of each city, unless the operator says otherwise: more than a city gives out between two backups, it is hoped."""


@dataclass(frozen=True, slots=True)
class Report:
    """One restore: its backup's moment, and how much of what waits for people now."""

    restore_id: str
    backup_at: datetime | None
    at: datetime
    orders: int
    attempts: int
    refunds: int
    issuances: int
    proposals: int
    """Decisions that waited for a second person, and do no more."""
    numbers: Mapping[str, int]
    """Numbers that are not given out any more, by city."""


def restore(tx: Connection, actor: str, skip: int, now: datetime) -> Report:
    """Tell the database that it was restored: nothing of before goes on by itself where a card, a wallet or people know better.

    ``skip`` is how many of a city's next numbers may have been given out since the backup.
    """
    begun = restores.begin(tx, now)
    held = restored.put_in_question(tx, begun)
    stopped = issuances.put_in_question(tx, begun)
    rejected = _reject_proposals(tx, begun.id, now)
    skipped = {city: numbers.skip(tx, CityCode(city), skip, now) for city in _with_free_numbers(tx)}
    report = Report(
        begun.id, begun.backup_at, now, issuances=stopped, proposals=rejected, numbers=skipped, **held
    )
    told = {
        key: value for key, value in asdict(report).items() if key not in {"restore_id", "backup_at", "at"}
    }
    restores.record(tx, begun, actor, told)
    moment = None if begun.backup_at is None else begun.backup_at.isoformat()
    data = {"backup_at": moment, **told}
    audit.append(tx, Entry(audit.RESTORES, actor, "database_restored", begun.id, data, now))
    return report


def _reject_proposals(tx: Connection, restore_id: str, now: datetime) -> int:
    """Nobody may agree any more to what somebody proposed on what they saw before the backup: it stood in the way, too."""
    rejected = {"checker": restore_id, "checked_at": now, "outcome": Outcome.REJECTED}
    return tx.execute(approval.update().where(approval.c.outcome.is_(None)).values(rejected)).rowcount


def _with_free_numbers(tx: Connection) -> list[str]:
    return [city for city, state, _ in numbers.stock(tx) if state is NumberState.FREE]
