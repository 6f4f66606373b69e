"""Real services for tests: PostgreSQL, Valkey and a PKCS#11 token, private to a run and to each test in it.

`make test` starts the servers and hands over their addresses in the environment; under a bare pytest the
first test that needs them starts them, and they end with the run.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, settings

from tests.databases import PostgresServer, Templates, migrate
from tests.tokens import Token, make_token
from tools.services import instance, postgres, softhsm, valkey
from tools.services.process import Process

RUN_OWNER = "OTA_TEST_RUN_OWNER"  # the process id of the run, the same in all its parallel workers

settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")  # what takes long on a busy machine is no finding


def pytest_configure() -> None:
    os.environ.setdefault(RUN_OWNER, str(os.getpid()))


def pytest_unconfigure() -> None:
    if os.environ.get(RUN_OWNER) == str(os.getpid()):
        instance.stop(_run_name())


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """A test that configures logging, as a server does at start, leaves the next one's loggers alone."""
    known = [
        logging.getLogger(),
        *(logging.getLogger(name) for name in list(logging.root.manager.loggerDict)),
    ]
    kept = [(each, each.level, each.disabled, each.propagate, list(each.handlers)) for each in known]
    yield
    for each, level, disabled, propagate, handlers in kept:
        each.setLevel(level)
        each.disabled, each.propagate, each.handlers = disabled, propagate, handlers


@pytest.fixture(scope="session")
def services() -> dict[str, str]:
    """Addresses of the servers of this run."""
    wanted = (postgres.VARIABLE, valkey.VARIABLE)
    if all(variable in os.environ for variable in wanted):
        return {variable: os.environ[variable] for variable in wanted}
    owner = Process.of(int(os.environ[RUN_OWNER]))
    return instance.start(_run_name(), fast=True, owner=owner).environment


@pytest.fixture(scope="session")
def postgres_server(services: dict[str, str], worker_id: str) -> PostgresServer:
    """The PostgreSQL server of this run, which makes and drops databases."""
    return PostgresServer(services[postgres.VARIABLE], worker_id)


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """An empty PostgreSQL database of this test's own."""
    with postgres_server.database() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of this test's own: the test runs once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ota.sqlite3'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture(scope="session")
def migrated_databases(
    postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Templates:
    """One migrated database of each kind, to be copied: migrating takes longer than most tests.

    Whoever runs the same tests again and again makes them once and says where they are (tools/mutants.py).
    """
    if (made := os.environ.get(Templates.VARIABLE)) is not None:
        return Templates.named(made)
    sqlite = tmp_path_factory.mktemp("template") / "ota.sqlite3"
    postgresql = postgres_server.create()
    for url in (f"sqlite:///{sqlite}", postgres_server.url_of(postgresql)):
        migrate(url)
    return Templates(sqlite, postgresql)


@pytest.fixture(params=["sqlite", "postgresql"])
def migrated_database_url(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    postgres_server: PostgresServer,
    migrated_databases: Templates,
) -> Iterator[str]:
    """A migrated database of this test's own: the test runs once on SQLite and once on PostgreSQL."""
    if request.param == "postgresql":
        with postgres_server.database(migrated_databases.postgresql) as url:
            yield url
        return
    path = tmp_path / "ota.sqlite3"
    shutil.copy(migrated_databases.sqlite, path)
    yield f"sqlite:///{path}"


@pytest.fixture
def redis_url(services: dict[str, str], worker_id: str) -> str:
    """An empty Valkey database, used by one test at a time."""
    from redis import Redis

    number = int(worker_id.removeprefix("gw")) if worker_id.startswith("gw") else valkey.DATABASES - 1
    url = f"{services[valkey.VARIABLE]}?db={number}"
    with Redis.from_url(url) as connection:
        connection.flushdb()
    return url


@pytest.fixture(scope="session")
def pkcs11_module() -> str:
    """Path of the PKCS#11 library of SoftHSM2."""
    module = softhsm.find()
    if module is None:
        pytest.fail(softhsm.ADVICE, pytrace=False)
    return str(module)


@pytest.fixture(scope="session")
def pkcs11_token(pkcs11_module: str) -> Iterator[Token]:
    """An initialised, empty token in a folder of this process's own; in memory, since SoftHSM syncs every object."""
    memory = Path("/dev/shm")  # noqa: S108  a folder with a name of its own is made in it
    with TemporaryDirectory(prefix="ota-token-", dir=memory if memory.is_dir() else None) as folder:
        yield make_token(pkcs11_module, Path(folder))


def _run_name() -> str:
    return f"pytest-{os.environ[RUN_OWNER]}"
