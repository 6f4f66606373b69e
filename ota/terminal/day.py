"""The end of a terminal's day: its own list of loads held against the platform's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select

from ota.core.errors import InvalidReport
from ota.core.principal import Principal
from ota.core.values import Fen
from ota.store.phases import Store
from ota.topup.models import load_attempt, topup_order
from ota.topup.states import AttemptState


@dataclass(frozen=True, slots=True)
class DayReport:
    """What a terminal says it loaded on one local day: ``day`` is YYYYMMDD, amounts by load id."""

    day: str
    count: int
    total: Fen
    loads: Mapping[str, Fen]


@dataclass(frozen=True, slots=True)
class Difference:
    """One load on which the two lists do not agree: unknown_here, missing_there or amount_differs."""

    load_id: str
    why: str


@dataclass(frozen=True, slots=True)
class DayClosing:
    """The platform's totals of the day, and what differs; nothing differs when the day is closed."""

    day: str
    count: int
    total_fen: int
    differences: Sequence[Difference]


class TerminalDays:
    """Compares; changes nothing: a difference is settled by the card or by people, not by a list."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def close(self, caller: Principal, report: DayReport) -> DayClosing:
        """Hold a terminal's list against the loads that are proven; raises InvalidReport for totals that do not add up."""
        if report.count != len(report.loads) or report.total.amount != sum(
            amount.amount for amount in report.loads.values()
        ):
            raise InvalidReport("count and sum are not those of the list")
        ours = self._loaded(caller, report.day)
        return DayClosing(report.day, len(ours), sum(ours.values()), list(_differences(ours, report.loads)))

    def _loaded(self, caller: Principal, day: str) -> dict[str, int]:
        with self._store.read() as tx:
            rows = tx.execute(
                select(topup_order.c.id, topup_order.c.amount_fen)
                .join(load_attempt, load_attempt.c.order_id == topup_order.c.id)
                .where(
                    topup_order.c.caller_id == caller.id,
                    load_attempt.c.state == AttemptState.LOADED,
                    load_attempt.c.host_time.startswith(day, autoescape=True),
                )
            )
            return {row.id: row.amount_fen for row in rows}


def _differences(ours: Mapping[str, int], theirs: Mapping[str, Fen]) -> Sequence[Difference]:
    unknown = [Difference(load_id, "unknown_here") for load_id in sorted(theirs.keys() - ours.keys())]
    missing = [Difference(load_id, "missing_there") for load_id in sorted(ours.keys() - theirs.keys())]
    amounts = [
        Difference(load_id, "amount_differs")
        for load_id in sorted(ours.keys() & theirs.keys())
        if ours[load_id] != theirs[load_id].amount
    ]
    return unknown + missing + amounts
