"""The launcher starts real servers privately, and stops exactly what it started."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from tools.services import __main__ as command_line
from tools.services import instance, postgres, softhsm, valkey
from tools.services.process import Process

GONE = Process(pid=2**22 - 1, started=1)


@pytest.fixture(autouse=True)
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / ".services"
    monkeypatch.setattr(instance, "RECORDS", folder)
    yield folder
    instance.stop()


@pytest.fixture
def started() -> instance.Instance:
    return instance.start("here", fast=True, owner=Process.of(os.getpid()))


@pytest.fixture
def sleeper() -> Process:
    child = subprocess.Popen(["sleep", "60"])
    child.returncode = 0
    return Process.of(child.pid)


def test_both_servers_answer_until_they_are_stopped(started: instance.Instance) -> None:
    engine = create_engine(started.environment[postgres.VARIABLE])
    with engine.connect() as connection:
        answer = connection.execute(text("SELECT 1")).scalar_one()
    engine.dispose()
    processes = list(started.servers.values())

    stopped = instance.stop("here")

    assert answer == 1
    assert stopped == ["here"]
    assert not any(process.alive for process in processes)
    assert not started.folder.exists()
    assert instance.running() == []


def test_servers_are_out_of_reach_of_other_accounts_and_of_the_network(started: instance.Instance) -> None:
    home = started.folder / postgres.NAME
    sockets = [path for path in started.folder.rglob("*") if path.is_socket()]

    modes = [path.stat().st_mode & 0o077 for path in (home, started.folder / valkey.NAME, home / "data")]
    listening = _listening_inodes(list(started.servers.values()))
    instance.stop("here")

    assert modes == [0, 0, 0]
    assert len(sockets) == 2
    assert listening == set()


def test_starting_again_returns_the_servers_that_run(started: instance.Instance) -> None:
    again = instance.start("here", fast=True)

    instance.stop("here")
    assert again.servers == started.servers


def test_servers_of_an_owner_that_is_gone_end_with_the_next_start(sleeper: Process, records: Path) -> None:
    _write_record(records, "orphan", owner=GONE, server=sleeper)

    instance.start("here", fast=True)

    names = [entry.name for entry in instance.running()]
    instance.stop("here")
    assert names == ["here"]
    assert not sleeper.alive


def test_a_recycled_process_id_is_left_alone(sleeper: Process, records: Path) -> None:
    stale = Process(sleeper.pid, sleeper.started - 1)
    _write_record(records, "stale", owner=None, server=stale)

    stopped = instance.stop("stale")

    alive = sleeper.alive
    os.kill(sleeper.pid, 9)
    assert stopped == ["stale"]
    assert alive


def test_a_damaged_record_is_forgotten(records: Path) -> None:
    records.mkdir()
    (records / "half.json").write_text('{"name": "ha')

    assert instance.running() == []


def test_run_hands_over_addresses_and_the_exit_code_and_stops(capfd: pytest.CaptureFixture[str]) -> None:
    show = f"import os, sys; print(os.environ['{postgres.VARIABLE}'], os.environ['{valkey.VARIABLE}']); sys.exit(7)"

    code = command_line.main(["run", "--", sys.executable, "-c", show])

    assert code == 7
    assert "postgresql+psycopg://postgres@/postgres?host=" in capfd.readouterr().out
    assert instance.running() == []


def test_a_missing_token_is_named_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(softhsm, "find", lambda: None)

    command_line.main(["status"])

    assert "apt-get install -y --no-install-recommends softhsm2" in capsys.readouterr().out


def test_a_plain_user_installs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(softhsm, "find", lambda: None)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    assert softhsm.provide() is None


def _write_record(records: Path, name: str, *, owner: Process | None, server: Process) -> None:
    records.mkdir()
    record = {
        "name": name,
        "folder": str(records / "nowhere"),
        "fast": True,
        "owner": owner and {"pid": owner.pid, "started": owner.started},
        "servers": {valkey.NAME: {"pid": server.pid, "started": server.started}},
    }
    (records / f"{name}.json").write_text(json.dumps(record))


def _listening_inodes(processes: list[Process]) -> set[str]:
    """TCP sockets that the processes hold open."""
    held = {str(fd.readlink()) for process in processes for fd in Path(f"/proc/{process.pid}/fd").iterdir()}
    tables = (Path(f"/proc/net/{name}") for name in ("tcp", "tcp6"))
    rows = [line.split() for table in tables if table.exists() for line in table.read_text().splitlines()[1:]]
    return {f"socket:[{row[9]}]" for row in rows} & held
