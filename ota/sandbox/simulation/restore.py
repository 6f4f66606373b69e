"""Operations that put an earlier database back: acknowledged writes are gone, cards and wallets remember them."""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Final, cast

import sqlalchemy as sa

from ota.issuance.models import issuance_order, issuance_step
from ota.sandbox.simulation import books, city_host
from ota.sandbox.simulation.faults import Dice, Fault, Luck
from ota.sandbox.simulation.schedule import VirtualClock
from ota.sandbox.simulation.truth import Truth
from ota.service_desk import restoration
from ota.store.phases import Store

_KEPT: Final = 3
_SKIPPED_NUMBERS: Final = 20
"""More than the customers of a run, so more than any city gave out since the backup."""


@dataclass(frozen=True, slots=True)
class _Backup:
    """The database at one moment, and how far cards in the making were."""

    pages: sqlite3.Connection
    cards: object


class Backups:
    """The last backups of a run, and the one restore that may come of them.

    Only SQLite is put back, and no backup since which a card was ordered or built: such a card is settled outside of the
    platform (docs/operations.md).
    """

    def __init__(self, engine: sa.Engine, truth: Truth, clock: VirtualClock, dice: Dice) -> None:
        self._engine = engine
        self._truth = truth
        self._clock = clock
        scenario = dice.scenario
        self._is_wanted = engine.dialect.name == "sqlite" and (
            scenario.forced is not None or Fault.RESTORE in dice.enabled
        )
        self._kept: deque[_Backup] = deque(maxlen=_KEPT)

    def take(self) -> None:
        """Make a backup, unless no restore will ever come."""
        if self._is_wanted and not self._truth.restores:
            pages = sqlite3.connect(":memory:", check_same_thread=False)
            with closing(self._engine.raw_connection()) as raw:
                cast(sqlite3.Connection, raw.driver_connection).backup(pages)
            self._kept.append(_Backup(pages, self._cards()))

    def strikes(self, luck: Luck) -> bool:
        """Whether the database is lost now; at most once in a run."""
        usable = self._is_wanted and not self._truth.restores and bool(self._usable())
        return usable and luck.strikes(Fault.RESTORE)

    def put_back(self, luck: Luck) -> str:
        """Put one of the backups back and say so to the platform; returns what came of it, for people."""
        usable = self._usable()
        if not usable:
            return "a card was ordered meanwhile, no backup is good"
        chosen = luck.choice.choice(usable)
        before = _Known.of(self._engine)
        with closing(self._engine.raw_connection()) as raw:
            chosen.pages.backup(cast(sqlite3.Connection, raw.driver_connection))
        with Store(self._engine).begin() as tx:
            report = restoration.restore(tx, "operator", _SKIPPED_NUMBERS, self._clock.true_now())
        after = _Known.of(self._engine)
        self._truth.restores += 1
        self._truth.answers.clear()
        self._truth.forgotten_orders |= before.orders - after.orders
        self._truth.forgotten_trades |= before.trades.keys() - after.trades.keys()
        self._truth.forgotten_questions |= before.questions - after.questions
        for key, order_id in before.loads.items():
            if key not in after.loads:
                self._truth.forgotten_loads[key] = before.trade_of[order_id]
        return f"{report.orders} orders, {report.attempts} loads and {report.refunds} refunds are in question"

    def _usable(self) -> Sequence[_Backup]:
        now = self._cards()
        return [backup for backup in self._kept if backup.cards == now]

    def _cards(self) -> object:
        with self._engine.connect() as tx:
            states = sa.select(issuance_order.c.id, issuance_order.c.state).order_by(issuance_order.c.id)
            steps = sa.select(issuance_step.c.id).order_by(issuance_step.c.id)
            return tx.execute(states).all(), tx.execute(steps).all()


@dataclass(frozen=True, slots=True)
class _Known:
    """What the tables know: orders, loads that a city was asked about, payments by trade, and loads with their orders."""

    orders: frozenset[str]
    questions: frozenset[str]
    trades: Mapping[str, str]
    trade_of: Mapping[str, str]
    loads: Mapping[books.LoadKey, str]

    @classmethod
    def of(cls, engine: sa.Engine) -> _Known:
        """Read them now."""
        seen, payments = books.read(engine), books.read_payments(engine)
        return cls(
            frozenset(seen.orders),
            city_host.asked_about(engine),
            {row.trade_no: row.order_id for row in payments},
            {row.order_id: row.trade_no for row in payments if row.serves and not row.is_fee},
            {attempt.key: attempt.order_id for attempt in seen.attempts},
        )
