"""The platform under test: its web servers, its job worker and its Redis, each kept running."""

from __future__ import annotations

import http.client
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from redis import Redis
from redis.exceptions import RedisError
from rq import Worker

from chaos.program import Program, children, command_of, python
from tools.services import valkey
from tools.services.process import Process

HOST: Final = "127.0.0.1"
_CONFIG: Final = Path(__file__).resolve().parent.parent / "config"
_NO_WORKER: Final = "resource_tracker"  # of multiprocessing, the other child of a server
_WALLET: Final = 'id = "sandbox-wallet"\n'


class Web(Program):
    """One `ota serve`: a server process and its child that answers."""

    def __init__(self, name: str, port: int, folder: Path, environment: Mapping[str, str]) -> None:
        super().__init__(name)
        self._port = port
        self._log = folder / f"{name}.log"
        self._environment = environment
        self._killed: set[Process] = set()

    def launch(self) -> Process:
        """See `Program`."""
        return python("ota.cli", ["serve", "--port", str(self._port)], self._environment, self._log)

    def works(self) -> bool:
        """Whether it answers, by a child that was not killed."""
        if not set(self._workers()) - self._killed:
            return False
        connection = http.client.HTTPConnection(HOST, self._port, timeout=2)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def kill_worker(self) -> None:
        """End by kill -9 of the child."""
        victims = self._workers()
        self._killed |= set(victims)
        self.hit("web_worker", [victim.pid for victim in victims])

    def kill_server(self) -> None:
        """End by kill -9 of the server alone."""
        self.hit("web_server", [self.process.pid])

    def _workers(self) -> list[Process]:
        """The children that answer; named by more than their numbers, which come again in a long run."""
        pids = children(self.process.pid)
        return [Process.of(child) for child in pids if _NO_WORKER not in command_of(child)]


class JobWorker(Program):
    """`ota worker`."""

    def __init__(self, folder: Path, environment: Mapping[str, str], redis_url: str) -> None:
        super().__init__("job_worker")
        self._log = folder / "job_worker.log"
        self._environment = environment
        self._redis_url = redis_url

    def launch(self) -> Process:
        """See `Program`."""
        return python("ota.cli", ["worker"], self._environment, self._log)

    def works(self) -> bool:
        """Whether it has told Redis that it is there."""
        with suppress(RedisError), Redis.from_url(self._redis_url) as connection:
            return any(worker.pid == self.process.pid for worker in Worker.all(connection))
        return False

    def kill(self) -> None:
        """End by kill -9."""
        self.hit("job_worker", [self.process.pid])


class Queue(Program):
    """Redis, which keeps nothing: killing it is flushing it."""

    def __init__(self, folder: Path) -> None:
        super().__init__("redis")
        self._folder = folder

    @property
    def url(self) -> str:
        """Its address."""
        return valkey.url(self._folder)

    def launch(self) -> Process:
        """See `Program`."""
        return valkey.start(self._folder)

    def works(self) -> bool:
        """Whether it answers."""
        with suppress(RedisError), Redis.from_url(self.url, socket_timeout=2) as connection:
            return bool(connection.ping())
        return False

    def kill(self) -> None:
        """End by kill -9."""
        self.hit("redis", [self.process.pid])


def configuration(folder: Path, callback_url: str) -> Path:
    """A copy of the shipped configuration in which the sandbox's wallet says where its server listens."""
    copy = folder / "config"
    shutil.copytree(_CONFIG, copy)
    callers = copy / "sandbox" / "callers.toml"
    text = callers.read_text(encoding="utf-8")
    if _WALLET not in text:
        raise ValueError(f"{callers}: expected {_WALLET!r}")
    callers.write_text(text.replace(_WALLET, f'{_WALLET}callback_url = "{callback_url}"\n'), encoding="utf-8")
    return copy


def environment(folder: Path, config: Path, database_url: str, redis_url: str) -> dict[str, str]:
    """The settings of every process: production's parts, the sandbox's keys, leases short enough for a short run."""
    return {
        "OTA_CONFIG": str(config),
        "OTA_DATA": str(folder / "data"),
        "OTA_ENVIRONMENT": "development",
        "OTA_DATABASE_URL": database_url,
        "OTA_REDIS_URL": redis_url,
        "OTA_JOBS_RUNNER": "redis",
        "OTA_JOBS_LEASE_S": "10",
        "OTA_JOBS_MAX_ATTEMPTS": "1000",
        "OTA_LOG_LEVEL": "WARNING",
    }
