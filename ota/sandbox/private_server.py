"""A platform of one's own for as long as it is needed: the real `ota serve`, on a free port, in a folder of its own."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

PATIENCE_S: Final = 60.0
_STOP_PATIENCE_S: Final = 15.0
_PROGRAM: Final = "from ota.cli import main; main(prog_name='ota')"
_TOLD_LINES: Final = 15


class ServerFailed(Exception):
    """The platform did not come up; the message holds its last words."""


@contextmanager
def private_server(data: Path, *, config: Path | None = None) -> Iterator[str]:
    """Start a platform with test keys and test callers; gives its address, ends it afterwards. Raises ServerFailed."""
    command = [sys.executable, "-c", _PROGRAM, "serve", "--port", "0", "--data", str(data)]
    command += ["--environment", "development"] + (["--config", str(config)] if config is not None else [])
    data.mkdir(parents=True, exist_ok=True)
    log = data / "server.log"
    with log.open("wb") as errors:
        process = subprocess.Popen(  # noqa: S603  our own program
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, env=_environment()
        )
    try:
        yield _address(process, log)
    finally:
        _stop(process)


def _environment() -> dict[str, str]:
    """Without the settings of whoever starts it: it must not touch another platform's database."""
    kept = {"OTA_CONFIG"}
    return {name: value for name, value in os.environ.items() if not name.startswith("OTA_") or name in kept}


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    """The address that the server announces as soon as it answers."""
    assert process.stdout is not None  # noqa: S101  it was asked for
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_pass_on, args=(process.stdout, lines), daemon=True).start()
    try:
        line = lines.get(timeout=PATIENCE_S)
    except queue.Empty:
        line = ""
    if "http" not in line:
        words = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_TOLD_LINES:]
        raise ServerFailed("the server did not start:\n" + "\n".join(words))
    return line[line.index("http") :].strip()


def _pass_on(stream: IO[bytes], lines: queue.SimpleQueue[str]) -> None:
    """Read until the end, so that the server never waits for us; an empty line is the end."""
    for line in stream:
        lines.put(line.decode("utf-8", errors="replace"))
    lines.put("")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
