"""Models and migrations say the same, on both databases, also when several processes start at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from ota import wiring
from ota.store.append_only import MARK
from ota.store.callers import Callers
from ota.store.engine import open_engine
from ota.store.migrations import current, newest, upgrade, write_revision
from ota.store.phases import Store
from ota.store.schema import metadata


def test_models_and_migrations_say_the_same(database_url: str) -> None:
    engine = open_engine(database_url)
    models = wiring.metadata()
    upgrade(engine)

    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), models)

    engine.dispose()
    assert differences == []


def test_checks_and_guards_are_the_same_too(database_url: str, tmp_path: Path) -> None:
    """Autogenerate looks at neither CHECK nor trigger: compare a migrated database with a created one."""
    migrated = open_engine(database_url)
    upgrade(migrated)
    from_migrations = _checks_and_triggers(migrated)
    if migrated.dialect.name == "sqlite":
        created = open_engine(f"sqlite:///{tmp_path / 'created.sqlite3'}")
    else:
        with migrated.begin() as connection:
            connection.exec_driver_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        created = migrated
    wiring.metadata().create_all(created)
    from_models = _checks_and_triggers(created)
    migrated.dispose()
    created.dispose()

    assert from_migrations == from_models
    assert {table.name for table in metadata.tables.values() if table.info.get(MARK)} <= from_models[
        "guarded"
    ]


def _checks_and_triggers(engine: sa.Engine) -> dict[str, set[str]]:
    inspector = sa.inspect(engine)
    names = [name for name in inspector.get_table_names() if name != "alembic_version"]
    checks = {
        f"{name}.{check['name']}: {check['sqltext']}"
        for name in names
        for check in inspector.get_check_constraints(name)
    }
    query = (
        "SELECT tbl_name FROM sqlite_master WHERE type = 'trigger'"
        if engine.dialect.name == "sqlite"
        else "SELECT event_object_table FROM information_schema.triggers"
    )
    with engine.connect() as connection:
        return {"checks": checks, "guarded": set(connection.exec_driver_sql(query).scalars())}


def test_an_upgrade_can_be_repeated(database_url: str) -> None:
    engine = open_engine(database_url)
    before = current(engine)

    upgrade(engine)
    upgrade(engine)

    after = current(engine)
    engine.dispose()
    assert before is None
    assert after == newest()


def test_several_processes_may_start_at_once(database_url: str) -> None:
    engines = [open_engine(database_url) for _ in range(4)]

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(upgrade, engines))

    versions = {current(engine) for engine in engines}
    for engine in engines:
        engine.dispose()
    assert versions == {newest()}


def test_a_new_model_becomes_a_migration_with_its_guard(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'empty.sqlite3'}")
    upgrade(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE state_history")

    write_revision(engine, "history again", tmp_path)

    engine.dispose()
    (written,) = tmp_path.glob("*_history_again.py")
    text = written.read_text()
    assert "op.create_table('state_history'" in text
    assert "op.append_only('state_history')" in text
    assert "types.UtcDateTime()" in text


def test_rows_that_were_there_are_kept(database_url: str) -> None:
    """A staff member's second factor and a decision of two people, from before the newest versions."""
    engine = open_engine(database_url)
    upgrade(engine, "0007")
    with engine.begin() as tx:
        tx.exec_driver_sql(
            "INSERT INTO caller (id, kind, roles, otp_secret, disabled, sandbox, created_at) "
            "VALUES ('clerk', 'staff', '[]', 'SECRET', false, false, '2026-01-01 00:00:00')"
        )
        tx.exec_driver_sql(
            "INSERT INTO approval (id, action, subject_id, city, reason, data, maker, made_at) "
            "VALUES ('dec_1', 'refund', 'top_1', '5810', 'lost', '{}', 'clerk', '2026-01-01 00:00:00')"
        )

    upgrade(engine)

    with engine.connect() as connection:
        kept = connection.exec_driver_sql("SELECT id, action, made_at IS NOT NULL FROM approval").all()
    found = Callers(Store(engine)).find("clerk")
    engine.dispose()
    assert [(row[0], row[1], bool(row[2])) for row in kept] == [("dec_1", "refund", True)]
    assert found is not None
    assert found.otp_secret == "SECRET"


def test_a_free_number_that_money_was_ordered_for_is_spent_and_the_money_only_goes_back(
    database_url: str,
) -> None:
    """An order of before the rule: called off, its number given back, its refund refused."""
    engine = open_engine(database_url)
    upgrade(engine, "0013")
    with engine.begin() as tx:
        tx.exec_driver_sql(
            "INSERT INTO issuance_order (id, caller_id, idempotency_key, city, product, se_id, card_no, state, fee_fen, "
            "request_digest, issued_on, created_at, updated_at) VALUES ('iss_1', 'wallet', 'k', '5810', 'p', 'se', 'named', "
            "'abandoned', 0, 'd', '20260101', '2026-01-01 00:00:00', '2026-01-01 00:00:00')"
        )
        tx.exec_driver_sql(
            "INSERT INTO topup_order (id, caller_id, idempotency_key, card_no, city, amount_fen, state, issuance_id, "
            "created_at, updated_at) VALUES "
            "('top_1', 'wallet', 'a', 'named', '5810', 1, 'paid', 'iss_1', '2026-01-01 00:00:00', '2026-01-01 00:00:00'), "
            "('top_2', 'wallet', 'b', 'named', '5810', 1, 'paid', NULL, '2026-01-01 00:00:00', '2026-01-01 00:00:00')"
        )
        tx.exec_driver_sql(
            "INSERT INTO card_number (card_no, city, state, updated_at) VALUES "
            "('named', '5810', 'free', '2026-01-01 00:00:00'), ('other', '5810', 'free', '2026-01-01 00:00:00')"
        )

    upgrade(engine)

    with engine.connect() as connection:
        rows = connection.exec_driver_sql
        numbers = dict(map(tuple, rows("SELECT card_no, state FROM card_number")))
        marked = [row[0] for row in rows("SELECT id FROM topup_order WHERE no_card_since IS NOT NULL")]
        told = [tuple(row) for row in rows("SELECT subject_id, event, after FROM state_history")]
    engine.dispose()
    assert numbers == {"named": "retired", "other": "free"}
    assert marked == ["top_1"]
    assert told == [("named", "skipped", "retired")]
