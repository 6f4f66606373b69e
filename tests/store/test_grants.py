"""On PostgreSQL who serves does not own the tables: it runs the whole product, and undoes no guard of the books."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result
from sqlalchemy import make_url
from sqlalchemy.exc import ProgrammingError

from ota import wiring
from ota.cli import main, preparation
from ota.cli.preparation import prepare
from ota.service_desk import restoration
from ota.settings import SettingsError
from ota.store import grants
from ota.store.append_only import MARK
from ota.store.grants import FORGETTING, RoleUnfit
from ota.topup.refunds import Refunds
from tests.databases import PostgresServer, Templates
from tests.desks import ScriptedDesk
from tests.elements import balance, blank
from tests.platform import Platform, install, number, opened_store, settings_of

CODE = Path(wiring.__file__).parent.parent
GUARDED = sorted(table.name for table in wiring.metadata().tables.values() if table.info.get(MARK))


@dataclass(frozen=True)
class House:
    """A migrated database with two roles: the URL of each, and the name of the one that serves."""

    owner: str
    serving: str
    role: str

    def granted(self) -> House:
        with opened_store(self.owner) as store, store.begin() as tx:
            grants.give(tx, self.role, list(wiring.metadata().tables.values()))
        return self


@pytest.fixture
def house(postgres_server: PostgresServer, migrated_databases: Templates) -> Iterator[House]:
    role = f"serving_{postgres_server.worker}_{os.getpid()}"
    execute(postgres_server.url, f"CREATE ROLE {role} LOGIN")
    with postgres_server.database(migrated_databases.postgresql) as url:
        serving = make_url(url).set(username=role).render_as_string(hide_password=False)
        yield House(url, serving, role)
    execute(postgres_server.url, f"DROP ROLE {role}")


def execute(url: str, statement: str) -> None:
    address = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(statement.encode())


def ota(url: str, *words: str, folder: Path) -> Result:
    arguments = [*words, "--data", str(folder / "data")]
    return CliRunner().invoke(main, arguments, env={"OTA_DATABASE_URL": url})


def refusal(url: str, statement: str) -> str:
    """What PostgreSQL says to it."""
    with pytest.raises(psycopg.errors.InsufficientPrivilege) as refused:
        execute(url, statement)
    return str(refused.value)


def live(platform: Platform) -> tuple[int, str, str]:
    """A card, a load, a refund, sweeps, and a restore: the purse, and what became of two orders."""
    platform.service(Refunds)._desk = ScriptedDesk()
    element = blank()
    card = platform.issue(element)
    platform.top_up(card, element, 5000)
    back = platform.order_topup(card, 300)["order_id"]
    platform.post(f"/v1/topups/{back}/refund")
    platform.clock.advance(minutes=5)
    platform.built.runner.sweep()
    while platform.built.runner.run_due():
        pass
    held = platform.order_topup(number(904).digits, 700)["order_id"]
    platform.clock.advance(minutes=1)
    with platform.built.store.begin() as tx:
        restoration.restore(tx, "operator", 1, platform.clock.now())
    return balance(element), platform.topup_state(back), platform.topup_state(held)


def test_whoever_serves_runs_the_product(
    house: House, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    platform = install(tmp_path / "data", house.granted().serving)

    found = live(platform)
    platform.built.store.close()

    assert found == (5000, "refunded", "held")
    assert "a sweep failed" not in caplog.text


@pytest.mark.parametrize("table", GUARDED)
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {table} SET {column} = {column}",
        "DELETE FROM {table}",
        "TRUNCATE {table}",
        "ALTER TABLE {table} DISABLE TRIGGER ALL",
        "DROP TRIGGER {table}_append_only ON {table}",
        "DROP TABLE {table}",
    ],
)
def test_whoever_serves_cannot_change_what_is_append_only(granted: House, table: str, statement: str) -> None:
    column = next(iter(wiring.metadata().tables[table].columns)).name

    told = refusal(granted.serving, statement.format(table=table, column=column))

    assert "permission denied" in told or "must be owner" in told


@pytest.fixture(scope="module")
def granted(postgres_server: PostgresServer, migrated_databases: Templates) -> Iterator[House]:
    """A house for tests that change nothing."""
    role = f"granted_{postgres_server.worker}_{os.getpid()}"
    execute(postgres_server.url, f"CREATE ROLE {role} LOGIN")
    with postgres_server.database(migrated_databases.postgresql) as url:
        serving = make_url(url).set(username=role).render_as_string(hide_password=False)
        yield House(url, serving, role).granted()
    execute(postgres_server.url, f"DROP ROLE {role}")


@pytest.mark.parametrize(
    "statement",
    [
        "SET session_replication_role = replica",  # triggers would not fire
        "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "CREATE TABLE more (id integer)",
        "UPDATE alembic_version SET version_num = '0001'",
        "DELETE FROM topup_order",
        "TRUNCATE outbox",
    ],
)
def test_whoever_serves_has_no_way_around_it(granted: House, statement: str) -> None:
    told = refusal(granted.serving, statement)

    assert "permission denied" in told or "must be owner" in told


def test_the_product_removes_rows_only_where_it_may() -> None:
    """A table from which somebody begins to delete is named here, and granted there."""
    sources = [path for path in CODE.rglob("*.py") if "sandbox" not in path.parts]

    found = {
        table
        for path in sources
        for table in re.findall(r"(\w+)\.delete\(\)", path.read_text(encoding="utf-8"))
    }

    assert found == FORGETTING


def test_rights_are_given_again_without_harm(house: House) -> None:
    again = house.granted().granted()

    with opened_store(again.serving) as store, store.read() as tx:
        tables = list(wiring.metadata().tables.values())
        assert (grants.missing(tx, tables), grants.may_undo(tx, tables)) == ([], [])


def test_a_role_that_could_undo_the_guards_anyway_is_refused(house: House) -> None:
    execute(house.owner, f"GRANT postgres TO {house.role}")

    with pytest.raises(RoleUnfit, match="audit"):
        house.granted()


def test_the_role_that_owns_the_tables_could_undo_them(house: House) -> None:
    with opened_store(house.owner) as store, store.read() as tx:
        assert grants.may_undo(tx, wiring.metadata().tables.values()) == GUARDED


def test_a_server_that_may_not_migrate_starts_on_a_database_that_is_migrated(
    house: House, tmp_path: Path
) -> None:
    settings = settings_of(tmp_path / "data", house.granted().serving)

    prepare(settings, Platform(settings).clock.now())

    with opened_store(house.serving) as store, store.read() as tx:
        callers = tx.execute(sa.text("SELECT count(*) FROM caller")).scalar_one()
    assert callers > 0


def test_a_server_that_may_not_migrate_says_who_may(house: House, tmp_path: Path) -> None:
    settings = settings_of(tmp_path / "data", house.granted().serving)
    execute(house.owner, "UPDATE alembic_version SET version_num = '0012'")

    with pytest.raises(SettingsError, match=r"ota db upgrade.*ota db grant"):
        prepare(settings, Platform(settings).clock.now())


def test_a_table_that_was_made_since_is_named_at_the_start(house: House, tmp_path: Path) -> None:
    settings = settings_of(tmp_path / "data", house.granted().serving)
    execute(house.owner, f"REVOKE INSERT ON evidence FROM {house.role}")

    with pytest.raises(SettingsError, match=r"may not use evidence: run `ota db grant ROLE`"):
        prepare(settings, Platform(settings).clock.now())


@pytest.mark.parametrize("who", ["owner", "serving"])
def test_production_is_told_of_a_role_that_has_too_many_rights(
    house: House, who: str, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    url = getattr(house.granted(), who)
    settings = replace(settings_of(tmp_path / "data", url), environment="production")

    with opened_store(url) as store:
        preparation._guard_rights(settings, store)

    assert ("could change append-only tables" in caplog.text) == (who == "owner")


def test_the_command_gives_the_rights(house: House, tmp_path: Path) -> None:
    shown = ota(house.owner, "db", "grant", house.role, "--show", folder=tmp_path)
    with opened_store(house.serving) as store, store.read() as tx, pytest.raises(ProgrammingError):
        tx.execute(sa.text("SELECT 1 FROM audit"))

    done = ota(house.owner, "db", "grant", house.role, folder=tmp_path)

    assert f'GRANT SELECT, INSERT ON "audit" TO "{house.role}";' in shown.output
    assert (done.exit_code, "may serve" in done.output) == (0, True), done.output
    with opened_store(house.serving) as store, store.read() as tx:
        assert grants.missing(tx, wiring.metadata().tables.values()) == []


def test_a_role_that_is_not_there_is_named(house: House, tmp_path: Path) -> None:
    result = ota(house.owner, "db", "grant", "nobody_of_this_name", folder=tmp_path)

    assert result.exit_code == 1
    assert "nobody_of_this_name is unfit to serve: there is no such role" in result.output


def test_a_database_without_roles_is_told_plainly(tmp_path: Path) -> None:
    result = ota(f"sqlite:///{tmp_path / 'ota.sqlite3'}", "db", "grant", "x", folder=tmp_path)

    assert result.exit_code == 1
    assert "roles are PostgreSQL's" in result.output
