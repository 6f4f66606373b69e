"""Wallets' servers for tests of deliveries: they answer as they are told, and remember what they were sent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from ota.core.values import CardNumber
from ota.events import feed
from ota.events.callback import Unheard
from ota.events.feed import News
from ota.events.jobs import RESUME_FEED, TELL_WALLET
from ota.events.service import Deliveries
from ota.store.outbox import outbox
from tests.platform import Platform, number

DAYS = timedelta(days=3)
CARD = number(904)
OTHER = number(905)


@dataclass
class Wallets:
    """Answers every event by ``says``: a status, or None for silence."""

    says: Callable[[str, dict[str, Any]], int | None] = lambda _caller, _event: 204
    deaf: set[str] = field(default_factory=set)
    heard: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def reaches(self, caller_id: str) -> bool:
        return caller_id not in self.deaf

    def post(
        self, caller_id: str, path: str, word: str, type_: str, claims: dict[str, Any]
    ) -> tuple[int, bytes]:
        assert (path, word, type_) == ("/events", "event", "event+jwt")
        self.heard.append((caller_id, claims))
        status = self.says(caller_id, claims)
        if status is None:
            raise Unheard("TimeoutError")
        return status, b""

    @property
    def kinds(self) -> list[str]:
        """What was heard, in order, each try counted."""
        return [claims["kind"] for _, claims in self.heard]


@dataclass
class Post:
    """The platform's deliveries to these wallets, run by hand."""

    platform: Platform
    wallets: Wallets = field(default_factory=Wallets)

    def deliveries(self) -> Deliveries:
        return Deliveries(self.platform.built.store, self.wallets, self.platform.clock, DAYS)

    def write(self, kind: str, card: CardNumber = CARD, caller: str = "wallet") -> str:
        """Let something happen; the event's id."""
        with self.platform.built.store.begin() as tx:
            feed.tell(tx, News(caller, card, kind, {"n": kind}), self.platform.clock.now())
        return self.event_id(kind)

    def event_id(self, kind: str) -> str:
        (row,) = self.platform.rows("SELECT id FROM wallet_event WHERE kind = :kind", kind=kind)
        return str(row.id)

    def run(self, limit: int = 50) -> int:
        """Run the jobs that are due, until none is; how many."""
        deliver = self.deliveries()
        for done in range(limit):
            with self.platform.built.store.read() as tx:
                due = tx.execute(self._due().limit(1)).one_or_none()
            if due is None:
                return done
            {TELL_WALLET: deliver.tell, RESUME_FEED: deliver.resume}[due.job](due.subject_id)
            self.platform.change("DELETE FROM outbox WHERE id = :id", id=due.id)
        raise AssertionError("the jobs call for each other without end")

    def _due(self) -> sa.Select[Any]:
        mine = (outbox.c.job.in_((TELL_WALLET, RESUME_FEED)), outbox.c.due_at <= self.platform.clock.now())
        return sa.select(outbox).where(*mine).order_by(outbox.c.due_at, outbox.c.id)

    def wait(self, pause: timedelta) -> int:
        """Let time pass, and run what has become due."""
        self.platform.clock.moment += pause
        return self.run()

    def states(self) -> dict[str, str]:
        rows = self.platform.rows(
            "SELECT e.kind, d.state FROM wallet_event e JOIN wallet_delivery d ON d.event_row = e.row ORDER BY d.position"
        )
        return {row.kind: row.state for row in rows}
