"""Phases: what is committed, what waits, what a lost database looks like."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError, StatementError

from ota.core.errors import Unavailable
from ota.store import history, outbox
from ota.store.append_only import append_only
from ota.store.engine import open_engine
from ota.store.migrations import upgrade
from ota.store.phases import Store
from ota.store.types import Json, UtcDateTime
from tests.store.conftest import SetClock

AT = datetime(2026, 11, 23, 8, 0, 0, 123456, tzinfo=UTC)
COUNT_STEPS = sa.select(sa.func.count()).select_from(history.state_history)


def steps(store: Store) -> list[str]:
    with store.read() as tx:
        return list(tx.execute(sa.select(history.state_history.c.event)).scalars())


def take_step(store: Store, event: str) -> None:
    with store.begin() as tx:
        history.record(
            tx,
            kind="card",
            subject_id="c1",
            before="ACTIVE",
            event=event,
            after="FROZEN",
            at=AT,
            detail={"n": 1},
        )


def test_a_phase_commits_at_its_end(store: Store) -> None:
    take_step(store, "freeze")

    assert steps(store) == ["freeze"]


def test_a_snapshot_sees_one_moment(store: Store) -> None:
    with store.snapshot() as tx:
        before = tx.execute(COUNT_STEPS).scalar_one()
        take_step(store, "freeze")
        after = tx.execute(COUNT_STEPS).scalar_one()

    assert (before, after) == (0, 0)


def test_two_statements_of_a_read_may_see_two_moments_on_postgresql(postgres_url: str) -> None:
    store = Store(open_engine(postgres_url))
    upgrade(store.engine)

    with store.read() as tx:
        before = tx.execute(COUNT_STEPS).scalar_one()
        take_step(store, "freeze")
        after = tx.execute(COUNT_STEPS).scalar_one()

    store.close()
    assert (before, after) == (0, 1)


def test_a_phase_that_fails_leaves_nothing(store: Store) -> None:
    with pytest.raises(RuntimeError), store.begin() as tx:  # noqa: PT012  the phase is what fails
        outbox.stage(tx, "job", "x", due_at=AT)
        raise RuntimeError

    with store.read() as tx:
        assert outbox.backlog(tx, AT).waiting == 0


@pytest.mark.parametrize("statement", ["UPDATE state_history SET kind = 'x'", "DELETE FROM state_history"])
def test_history_can_be_neither_changed_nor_removed(store: Store, statement: str) -> None:
    take_step(store, "freeze")

    with pytest.raises(IntegrityError, match="append-only"), store.begin() as tx:
        tx.exec_driver_sql(statement)

    assert steps(store) == ["freeze"]


def test_replacing_a_row_counts_as_removing_it(store: Store) -> None:
    take_step(store, "freeze")
    replace = "INSERT OR REPLACE INTO state_history (id, kind, subject_id, event, after, at) VALUES (1,'k','s','e','a','t')"
    if store.engine.dialect.name == "postgresql":
        replace = "TRUNCATE state_history"

    with pytest.raises(IntegrityError, match="append-only"), store.begin() as tx:
        tx.exec_driver_sql(replace)

    assert steps(store) == ["freeze"]


def test_moments_come_back_as_they_went_in(store: Store) -> None:
    take_step(store, "freeze")

    with store.read() as tx:
        row = tx.execute(sa.select(history.state_history)).one()

    assert row.at == AT
    assert row.at.tzinfo is UTC
    assert row.detail == {"n": 1}


def test_a_moment_in_another_zone_is_the_same_moment(store: Store) -> None:
    guangzhou = AT.astimezone(timezone(timedelta(hours=8)))

    with store.begin() as tx:
        outbox.stage(tx, "job", "x", due_at=guangzhou)
        found = tx.execute(sa.select(outbox.outbox.c.due_at)).scalar_one()

    assert found == AT


def test_a_naive_moment_is_refused(store: Store) -> None:
    with pytest.raises(StatementError, match="without a zone"), store.begin() as tx:
        outbox.stage(tx, "job", "x", due_at=AT.replace(tzinfo=None))


def test_nothing_stays_nothing(store: Store) -> None:
    metadata = sa.MetaData()
    table = sa.Table("maybe", metadata, sa.Column("at", UtcDateTime), sa.Column("value", Json))
    metadata.create_all(store.engine)

    with store.begin() as tx:
        tx.execute(table.insert().values(at=None, value=None))
        row = tx.execute(sa.select(table)).one()

    assert tuple(row) == (None, None)


def test_a_model_made_without_migrations_is_guarded_too(store: Store) -> None:
    table = append_only(sa.Table("diary", sa.MetaData(), sa.Column("line", sa.String(10))))
    table.metadata.create_all(store.engine)
    with store.begin() as tx:
        tx.execute(table.insert().values(line="a"))

    with pytest.raises(IntegrityError), store.begin() as tx:
        tx.execute(table.delete())


def test_two_writers_take_turns(store: Store, clock: SetClock) -> None:
    inside, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with store.begin() as tx:
            outbox.stage(tx, "job", "first", due_at=clock.now())
            inside.set()
            leave.wait(5)

    other = threading.Thread(target=hold)
    other.start()
    inside.wait(5)
    threading.Timer(0.1, leave.set).start()

    with store.begin() as tx:
        outbox.stage(tx, "job", "second", due_at=clock.now())
    other.join()

    with store.read() as tx:
        assert outbox.backlog(tx, clock.now()).waiting == 2


def test_a_database_that_is_away_is_unavailable(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = Store(open_engine(f"sqlite:///{tmp_path / 'missing' / 'ota.sqlite3'}"))

    with caplog.at_level("ERROR"), pytest.raises(Unavailable) as refused:
        store.ping()

    assert refused.value.problem_code == "database_unavailable"
    assert refused.value.may_retry
    assert caplog.text.splitlines()[0].endswith("cannot be used now: unable to open database file")
    assert len(caplog.text.splitlines()) == 1


def test_a_statement_that_fits_no_table_is_a_mistake_and_no_outage(store: Store) -> None:
    with pytest.raises(DBAPIError), store.read() as tx:
        tx.execute(sa.text("SELECT nothing FROM idempotency"))


def test_a_server_that_is_away_is_unavailable() -> None:
    store = Store(open_engine("postgresql+psycopg://nobody@127.0.0.1:1/none", wait_s=1))

    with pytest.raises(Unavailable):
        store.ping()


def test_waiting_for_a_connection_ends(database_url: str) -> None:
    store = Store(open_engine(database_url, pool_size=1, wait_s=0.2))

    with store.read(), pytest.raises(Unavailable), store.read():
        pass

    store.close()


def test_a_writer_that_waits_too_long_is_told_so(database_url: str, store: Store) -> None:
    impatient = Store(open_engine(database_url, wait_s=0.2))
    lock = (
        "BEGIN IMMEDIATE"
        if store.engine.dialect.name == "sqlite"
        else "LOCK TABLE outbox IN ACCESS EXCLUSIVE MODE"
    )

    with store.begin() as holder:
        if lock.startswith("LOCK"):
            holder.exec_driver_sql(lock)
        with pytest.raises(Unavailable), impatient.begin() as tx:
            outbox.stage(tx, "job", "x", due_at=AT)

    impatient.close()


def test_a_lost_connection_is_unavailable_and_the_next_one_works(store: Store, postgres_url: str) -> None:
    if store.engine.dialect.name == "sqlite":
        store = Store(open_engine(postgres_url))

    with pytest.raises(Unavailable), store.begin() as tx:
        tx.exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())")

    store.ping()
    store.close()
