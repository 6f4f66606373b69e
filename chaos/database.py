"""PostgreSQL with fsync on, and what may be done to it: kill -9, a full disk, and a disk that refuses to sync."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import psycopg

from chaos.program import Program, children
from tools.services import postgres
from tools.services.process import Process

DATABASE: Final = "ota"
DISK_MB: Final = 640
_SETTINGS: Final = ("fsync=on", "synchronous_commit=on", "max_wal_size=96MB", "min_wal_size=32MB")
_PORT: Final = 5432
_STRACE_PATIENCE_S: Final = 3.0
_PROBE_S: Final = 2


class Database(Program):
    """One cluster and the server on it."""

    def __init__(self, folder: Path) -> None:
        super().__init__("postgres")
        self._cluster = postgres.create(folder)
        self._folder = folder

    @property
    def address(self) -> str:
        """The Unix socket, for the relay."""
        return str(self._folder / postgres.NAME / f".s.PGSQL.{_PORT}")

    @property
    def url(self) -> str:
        """Straight to the server, past the relay."""
        host = quote(str(self._folder / postgres.NAME), safe="")
        return f"postgresql+psycopg://postgres@/{DATABASE}?host={host}"

    @staticmethod
    def url_through(port: int) -> str:
        """Through a port of the relay."""
        return f"postgresql+psycopg://postgres@127.0.0.1:{port}/{DATABASE}"

    def launch(self) -> Process:
        """See `Program`."""
        return self._cluster.launch(*_SETTINGS)

    def works(self) -> bool:
        """Whether it takes a write."""
        try:
            with self._connect("postgres") as connection:
                connection.execute("CREATE TEMPORARY TABLE chaos_probe AS SELECT 1 AS one")
                connection.execute("SELECT pg_current_xact_id()")
        except psycopg.Error:
            return False
        return True

    def stop(self) -> None:
        """See `Program`; what the server said is kept beside the other logs when its disk is taken away."""
        super().stop()
        shutil.copy(self._cluster.log, self._folder.parent)

    def make(self) -> None:
        """Make the platform's empty database."""
        with self._connect("postgres") as connection:
            connection.execute(f"CREATE DATABASE {DATABASE}".encode())

    def kill_backend(self, luck: float) -> None:
        """End by kill -9 of the process behind one of the platform's connections, or of any child while there is none."""
        pids = self._backends() or children(self.process.pid)
        if pids:
            self.hit("postgres_backend", [pids[int(luck * len(pids))]])

    def kill(self) -> None:
        """End by kill -9 of the first process; its children notice and end by themselves."""
        self.hit("postmaster", [self.process.pid])

    def refuse_fsync(self) -> None:
        """Answer the next sync of every process with EIO: PostgreSQL must not believe what it wrote, and recovers."""
        command = ["strace", "-f", "-qq", "-o", os.devnull, "-e", "trace=fsync,fdatasync"]
        command += ["-e", "inject=fsync,fdatasync:error=EIO:when=1"]
        before = set(children(self.process.pid))
        for pid in (self.process.pid, *before):
            command += ["-p", str(pid)]
        self.miss("fsync_error")
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as strace:
            deadline = time.monotonic() + _STRACE_PATIENCE_S
            while time.monotonic() < deadline and before <= set(children(self.process.pid)):
                time.sleep(0.05)
            strace.send_signal(signal.SIGTERM)

    def _backends(self) -> list[int]:
        query = "SELECT pid FROM pg_stat_activity WHERE datname = %s ORDER BY backend_start, pid"
        with suppress(psycopg.Error), self._connect("postgres") as connection:
            return [int(pid) for (pid,) in connection.execute(query, (DATABASE,))]
        return []

    def _connect(self, name: str) -> psycopg.Connection[tuple[Any, ...]]:
        host = str(self._folder / postgres.NAME)
        return psycopg.connect(
            host=host, user="postgres", dbname=name, autocommit=True, connect_timeout=_PROBE_S
        )


class Disk:
    """The disk under the database, where it may be mounted; else a plain folder and the reason."""

    def __init__(self, folder: Path, why_not: str | None) -> None:
        self.folder = folder
        self.why_not = why_not

    def fill(self) -> None:
        """Leave no byte free."""
        with suppress(OSError), (self.folder / "ballast").open("wb", buffering=0) as ballast:
            while True:
                ballast.write(bytes(1 << 20))

    def clear(self) -> None:
        """Give the room back."""
        (self.folder / "ballast").unlink(missing_ok=True)


@contextmanager
def small_disk(folder: Path) -> Iterator[Disk]:
    """A tmpfs for the database, taken away afterwards; without the right to mount, the folder itself."""
    place = folder / "disk"
    place.mkdir()
    place.chmod(0o711)
    if os.geteuid() != 0 or shutil.which("mount") is None:
        yield Disk(place, "mounting a tmpfs takes root and mount(8)")
        return
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m,mode=0711", "tmpfs", str(place)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        yield Disk(place, done.stderr.strip())
        return
    try:
        yield Disk(place, None)
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=False)


def why_no_strace() -> str | None:
    """Why syncs cannot be refused here; None where they can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    with subprocess.Popen(["sleep", "9"]) as victim:
        try:
            command = ["timeout", "1", "strace", "-qq", "-o", os.devnull, "-p", str(victim.pid)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        finally:
            victim.kill()
    return done.stderr.strip() or None
