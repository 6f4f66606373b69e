"""Uses of keys become summaries in the audit trail, in names only, and none is lost while the database is away."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa

from ota.core.errors import Unavailable
from ota.hsm_adapter.ports import Operation
from ota.hsm_adapter.trail import KeyUse
from ota.store import audit, audit_check, key_uses
from ota.store.audit_check import Witness
from ota.store.engine import open_engine
from ota.store.key_uses import KeyUses
from ota.store.phases import Store
from tests.store.conftest import SetClock

LOAD, TAC = "load/province/1/3DES", "tac/province/1/3DES"


@pytest.fixture
def store(migrated_database_url: str) -> Iterator[Store]:
    opened = Store(open_engine(migrated_database_url, wait_s=5))
    yield opened
    opened.close()


def use(operation: Operation, *keys: str, outcome: str = "ok") -> KeyUse:
    return KeyUse(operation, keys, "wallet", "top_1", outcome)


def line(**told: object) -> dict[str, object]:
    return {"who": "wallet", "order": "top_1", **told}


def summaries(store: Store) -> list[dict[str, object]]:
    with store.read() as tx:
        rows = tx.execute(sa.select(audit.audit.c.data).where(audit.audit.c.stream == audit.KEYS))
        return [row.data for row in rows]


def test_uses_are_summed_by_who_order_operation_key_and_outcome(store: Store, clock: SetClock) -> None:
    began = clock.now()
    uses = KeyUses(store, clock)
    for _ in range(3):
        uses(use(Operation.AUTHORISE_LOAD, LOAD))
    uses(use(Operation.AUTHORISE_LOAD, LOAD, outcome="mac1_wrong"))
    uses(use(Operation.VERIFY_TAC, TAC, LOAD))
    clock.advance(minutes=1)

    written = uses.flush()

    assert written == 4
    assert summaries(store) == [
        {
            "since": began.isoformat(),
            "uses": [
                line(operation="authorise_load", key=LOAD, outcome="mac1_wrong", count=1),
                line(operation="authorise_load", key=LOAD, outcome="ok", count=3),
                line(operation="verify_tac", key=LOAD, outcome="ok", count=1),
                line(operation="verify_tac", key=TAC, outcome="ok", count=1),
            ],
        }
    ]
    with store.snapshot() as tx:
        assert audit_check.verify(tx, Witness(clock.now())).findings == []


def test_a_summary_tells_of_what_came_after_the_last_one(store: Store, clock: SetClock) -> None:
    uses = KeyUses(store, clock)
    uses(use(Operation.AUTHORISE_LOAD, LOAD))
    clock.advance(minutes=1)
    uses.flush()
    uses(use(Operation.AUTHORISE_LOAD, LOAD))
    clock.advance(minutes=1)

    uses.flush()

    _, second = summaries(store)
    assert second["since"] == (clock.now() - timedelta(minutes=1)).isoformat()


def test_a_busy_minute_gets_several_entries(
    store: Store, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_uses, "MOST_LINES", 2)
    uses = KeyUses(store, clock)
    for order in range(5):
        uses(KeyUse(Operation.AUTHORISE_LOAD, (LOAD,), "wallet", f"top_{order}", "ok"))

    written = uses.flush()

    told = [summary["uses"] for summary in summaries(store)]
    assert written == 5
    assert [len(lines) for lines in told if isinstance(lines, list)] == [2, 2, 1]


def test_nothing_used_is_nothing_written(store: Store, clock: SetClock) -> None:
    assert KeyUses(store, clock).flush() == 0
    assert summaries(store) == []


def test_what_could_not_be_written_is_written_later(store: Store, clock: SetClock, tmp_path: object) -> None:
    away = Store(open_engine(f"sqlite:///{tmp_path}/no/such/folder.sqlite3"))
    uses = KeyUses(away, clock)
    uses(use(Operation.AUTHORISE_LOAD, LOAD))
    with pytest.raises(Unavailable):
        uses.flush()
    uses(use(Operation.AUTHORISE_LOAD, LOAD))
    uses._store = store

    uses.flush()

    (summary,) = summaries(store)
    assert summary["uses"] == [line(operation="authorise_load", key=LOAD, outcome="ok", count=2)]


def test_a_process_without_jobs_flushes_by_itself_and_survives_a_database_that_is_away(
    store: Store, clock: SetClock, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_uses, "INTERVAL_S", 0.01)
    away = Store(open_engine(f"sqlite:///{tmp_path}/no/such/folder.sqlite3"))
    uses = KeyUses(away, clock)
    uses(use(Operation.AUTHORISE_LOAD, LOAD))
    stop = threading.Event()
    thread = threading.Thread(target=uses.flush_until, args=(stop,))
    thread.start()

    threading.Event().wait(0.1)
    uses._store = store
    for _ in range(500):
        if summaries(store):
            break
        threading.Event().wait(0.01)
    stop.set()
    thread.join()

    assert len(summaries(store)) == 1
