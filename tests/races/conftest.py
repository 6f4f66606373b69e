"""Fifty threads in five processes' worth of connections on one PostgreSQL database."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Barrier
from typing import Final, TypeVar

import pytest

from tests.databases import PostgresServer, Templates
from tests.platform import Platform, settings_of, stocked

THREADS: Final = 50
PROCESSES: Final = 5  # each has a pool of ten connections: as many as there are threads
ROUNDS: Final = int(os.environ.get("OTA_TEST_RACE_ROUNDS", "3"))
WAIT_S: Final = float(os.environ.get("OTA_TEST_RACE_WAIT_S", "15"))
"""No lock and no connection is waited for longer: `make races` says 2, a suite on a busy machine says more."""

Outcome = TypeVar("Outcome")
Runner = Callable[[Platform, int], Outcome]


@dataclass
class Crowd:
    """Several processes of one installation, and threads that all do something at the same moment."""

    processes: Sequence[Platform]
    _pool: ThreadPoolExecutor
    _start: Barrier = field(default_factory=lambda: Barrier(THREADS, timeout=60))

    @property
    def platform(self) -> Platform:
        """One of the processes, for what is done alone."""
        return self.processes[0]

    def race(self, run: Runner[Outcome]) -> list[Outcome]:
        """What came of it for each thread, in their order; ``run`` gets a process and the thread's number."""
        return list(self._pool.map(lambda number: self._run(run, number), range(THREADS)))

    def _run(self, run: Runner[Outcome], number: int) -> Outcome:
        self._start.wait()
        return run(self.processes[number % PROCESSES], number)

    def deadlocks(self) -> int:
        """How many deadlocks PostgreSQL has had to end in this database."""
        query = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        return int(self.platform.rows(query)[0][0])


@pytest.fixture
def crowd(
    tmp_path: Path,
    migrated_databases: Templates,
    postgres_server: PostgresServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Crowd]:
    stock = stocked(migrated_databases, postgres_server, tmp_path_factory)
    data, _ = stock.copy_to(tmp_path)
    with (
        postgres_server.database(stock.databases.postgresql) as url,
        ThreadPoolExecutor(THREADS) as pool,
    ):
        settings = settings_of(data, url)
        first = Platform(replace(settings, database=replace(settings.database, wait_s=WAIT_S)))
        processes = [first, *(first.another_process() for _ in range(PROCESSES - 1))]
        for process in processes:
            _ = process.app  # made before anybody races
        yield Crowd(processes, pool)
        for process in processes:
            process.built.store.close()
