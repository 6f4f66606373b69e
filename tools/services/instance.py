"""One set of running servers: its record under .services/ and its own folder below the temporary folder."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tools.services import postgres, valkey
from tools.services.process import Process

ROOT = Path(__file__).resolve().parent.parent.parent
RECORDS = ROOT / ".services"


@dataclass(slots=True)
class Instance:
    """Servers that were started together.

    The record is written before each server starts and after, so that whatever a crash leaves behind can
    be ended later. An owner is the process on whose behalf they run; when it is gone, they are orphans.
    """

    name: str
    folder: Path
    fast: bool
    owner: Process | None = None
    servers: dict[str, Process] = field(default_factory=dict)

    @property
    def alive(self) -> bool:
        """Tell whether all servers run."""
        return set(self.servers) == {postgres.NAME, valkey.NAME} and all(
            p.alive for p in self.servers.values()
        )

    @property
    def orphaned(self) -> bool:
        """Tell whether the process that these servers were started for is gone."""
        return self.owner is not None and not self.owner.alive

    @property
    def environment(self) -> dict[str, str]:
        """Addresses, as tests read them from the environment."""
        return {postgres.VARIABLE: postgres.url(self.folder), valkey.VARIABLE: valkey.url(self.folder)}

    def start(self) -> None:
        """Start all servers."""
        self._write()
        self.servers[valkey.NAME] = valkey.start(self.folder)
        self._write()
        self.servers[postgres.NAME] = postgres.start(self.folder, fast=self.fast)
        self._write()

    def stop(self) -> None:
        """Stop all servers and remove their data and their record."""
        if process := self.servers.get(postgres.NAME):
            postgres.stop(process)
        if process := self.servers.get(valkey.NAME):
            valkey.stop(process)
        shutil.rmtree(self.folder, ignore_errors=True)
        self._record.unlink(missing_ok=True)

    @property
    def _record(self) -> Path:
        return RECORDS / f"{self.name}.json"

    def _write(self) -> None:
        fresh = self._record.with_suffix(".new")
        fresh.write_text(json.dumps(asdict(self), default=str), encoding="utf-8")
        fresh.replace(self._record)


def start(name: str, *, fast: bool, owner: Process | None = None) -> Instance:
    """Start the servers of this name, or return the ones that run already; end orphans first."""
    with _alone():
        for other in _read_all():
            if other.orphaned or (other.name == name and not other.alive):
                other.stop()
        running = next((instance for instance in _read_all() if instance.name == name), None)
        if running:
            return running
        folder = Path(tempfile.mkdtemp(prefix="ota-services-"))
        instance = Instance(name, folder, fast, owner)
        try:
            instance.start()
        except BaseException:
            instance.stop()
            raise
        return instance


def stop(name: str | None = None) -> list[str]:
    """Stop the servers of this name, or all of this checkout; return the names of those that were there."""
    with _alone():
        found = [instance for instance in _read_all() if name in (None, instance.name)]
        for instance in found:
            instance.stop()
        return [instance.name for instance in found]


def running() -> list[Instance]:
    """List the servers of this checkout."""
    with _alone():
        return _read_all()


@contextmanager
def _alone() -> Iterator[None]:
    RECORDS.mkdir(exist_ok=True)
    handle = os.open(RECORDS, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _read_all() -> list[Instance]:
    return [instance for path in sorted(RECORDS.glob("*.json")) if (instance := _read(path))]


def _read(path: Path) -> Instance | None:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        owner = Process(**record["owner"]) if record["owner"] else None
        servers = {name: Process(**process) for name, process in record["servers"].items()}
        return Instance(record["name"], Path(record["folder"]), record["fast"], owner, servers)
    except (OSError, ValueError, KeyError, TypeError):
        path.unlink(missing_ok=True)  # a damaged record names nothing that could be stopped
        return None
