"""What is wrong around a command is told in one line that names the setting, as typed; never as a traceback."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy.exc import ArgumentError, OperationalError

from ota.cli import main
from ota.cli.plain_words import plainly
from ota.core.errors import Unavailable
from ota.sandbox.cli import main as sandbox
from ota.settings import load
from tests.databases import migrate

CONFIG = Path(__file__).parent.parent.parent / "config"
AWAY = "postgresql+psycopg://ota:hunter2@127.0.0.1:1/x"
NO_DATABASE = "this is some text, and no database at all: " * 10
PRODUCTION = {
    "OTA_DATABASE_URL": AWAY,
    "OTA_REDIS_URL": "redis://127.0.0.1:1",
    "OTA_TOKENS_AUDIENCE": "https://ota.example",
    "OTA_SERVER_BEHIND_TLS_PROXY": "true",
    "OTA_SERVER_METRICS": "off",
    "OTA_HSM_PKCS11_MODULE": "/nowhere.so",
    "OTA_HSM_PKCS11_TOKEN": "province",
    "OTA_HSM_PIN_FILE": "/nowhere.pin",
}
QUEUE = {"OTA_JOBS_RUNNER": "redis", "OTA_REDIS_URL": "redis://127.0.0.1:1"}


@pytest.fixture(autouse=True)
def _logs_stay_with_pytest(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("ota.cli.serve", "ota.cli.worker"):
        monkeypatch.setattr(sys.modules[module], "configure_logging", lambda _level: None)


def told(result: Result) -> str:
    """The one line with which a command ended."""
    assert isinstance(result.exception, SystemExit), repr(result.exception)
    assert result.exit_code in {1, 2}, result.output
    lines = [line for line in result.output.splitlines() if line.startswith("Error: ")]
    assert len(lines) == 1
    assert result.output.endswith(lines[0] + "\n")
    assert "Traceback" not in result.output
    assert "hunter2" not in result.output
    return lines[0]


@pytest.mark.parametrize(
    ("command", "environ", "expected"),
    [
        pytest.param(["serve", "--data", "/proc/x"], {}, ["data: /proc/x", "--data"], id="folder"),
        pytest.param(
            ["serve"],
            {"OTA_DATABASE_URL": AWAY},
            ["database.url: ", "refused", "OTA_DATABASE_URL"],
            id="away",
        ),
        pytest.param(
            ["serve", "--environment", "production"],
            PRODUCTION,
            ["database.url: ", "refused", "OTA_DATABASE_URL"],
            id="away in production",
        ),
        pytest.param(
            ["serve"],
            {"OTA_DATABASE_URL": "nonsense"},
            ["database.url: expected postgresql+psycopg"],
            id="URL",
        ),
        pytest.param(
            ["openapi", "--output", "/nope/x.json"], {}, ["--output", "/nope/x.json", "folder"], id="output"
        ),
        pytest.param(
            ["keys", "provision-test"],
            {"OTA_DATABASE_URL": AWAY},
            ["database.url: ", "refused", "OTA_DATABASE_URL"],
            id="away from the ceremony",
        ),
    ],
)
def test_what_is_wrong_around_a_command_is_one_line(
    command: Sequence[str], environ: Mapping[str, str], expected: Sequence[str], tmp_path: Path
) -> None:
    result = CliRunner().invoke(main, command, env={"OTA_DATA": str(tmp_path / "data"), **environ})

    line = told(result)
    assert [word for word in expected if word not in line] == []


@pytest.mark.parametrize("command", [["ledger", "check"], ["db", "status"], ["serve", "--port", "0"]])
def test_a_file_that_is_no_database_is_named(command: Sequence[str], tmp_path: Path) -> None:
    (tmp_path / "ota.sqlite3").write_text(NO_DATABASE)

    result = CliRunner().invoke(main, [*command, "--data", str(tmp_path)])

    line = told(result)
    assert f"data: {tmp_path / 'ota.sqlite3'}: file is not a database" in line
    assert "--data" in line


@pytest.mark.parametrize(
    ("content", "expected"), [(b"# \xff\n", "byte 2 is no UTF-8"), (None, "Is a directory")]
)
def test_a_file_of_settings_that_cannot_be_read_is_named(
    content: bytes | None, expected: str, tmp_path: Path
) -> None:
    shutil.copytree(CONFIG, tmp_path / "config")
    file = tmp_path / "config" / "development.toml"
    if content is None:
        file.unlink(missing_ok=True)
        file.mkdir()
    else:
        file.write_bytes(content)

    result = CliRunner().invoke(main, ["check-config", "--config", str(tmp_path / "config")])

    assert f"{file}: {expected}" in told(result)


def test_a_worker_that_only_empties_the_queue_ends_where_there_is_none(tmp_path: Path) -> None:
    migrate(f"sqlite:///{tmp_path / 'ota.sqlite3'}")

    result = CliRunner().invoke(main, ["worker", "--burst", "--data", str(tmp_path)], env=QUEUE)

    line = told(result)
    assert "redis.url: " in line
    assert "OTA_REDIS_URL" in line


def test_a_worker_waits_for_redis_also_at_its_start_and_says_so(tmp_path: Path) -> None:
    migrate(f"sqlite:///{tmp_path / 'ota.sqlite3'}")
    process = subprocess.Popen(
        [sys.executable, "-m", "ota.cli", "worker", "--data", str(tmp_path)],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | QUEUE,
    )
    assert process.stderr is not None

    first, second = process.stderr.readline(), process.stderr.readline()

    waits = process.poll() is None
    process.terminate()
    process.wait(20)
    process.stderr.close()
    assert waits
    assert "jobs wait: Redis (redis.url) cannot be reached, asked again in 1 s" in first
    assert "asked again in 2 s" in second


@pytest.mark.parametrize("url", ["mysql://x", "nonsense", AWAY])
def test_a_simulation_on_no_database_is_one_line(url: str) -> None:
    result = CliRunner().invoke(sandbox, ["simulate", "--seeds", "1", "--database", url])

    assert "database" in told(result) or "connection" in told(result)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            ImportError("no pq wrapper available.\nAttempts made"),
            "database.url: its driver cannot be loaded (no pq",
        ),
        (
            ModuleNotFoundError("No module named 'psycopg'", name="psycopg"),
            "database.url: its driver cannot be",
        ),
        (ArgumentError("Could not parse"), "database.url: expected sqlite"),
        (
            OperationalError("", None, sqlite3.OperationalError("database is locked")),
            "try again",
        ),
        (UnicodeDecodeError("utf-8", b"secret\xff", 6, 7, "invalid"), "not UTF-8 text (invalid at byte 6)"),
        (OSError("out of order"), "out of order"),
        (FileNotFoundError(2, "No such file", "/x"), "/x: No such file: look at the path"),
        (PermissionError(13, "Denied", "ota-data/kek"), "data: ota-data/kek: Denied: name a folder"),
        (Unavailable(), "try again later"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_each_kind_of_error_has_its_line(error: Exception, expected: str) -> None:
    line = plainly(error, load(environ={}))

    assert line is not None
    assert expected in line
    assert "secret" not in line
    assert "\n" not in line


def test_a_module_of_ours_that_is_missing_stays_a_traceback() -> None:
    assert plainly(ModuleNotFoundError("No module named 'ota.x'", name="ota.x"), None) is None
