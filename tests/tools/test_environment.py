"""The environment is made from the locks, once, and what is missing is named."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import venv
from pathlib import Path
from typing import Any

import pytest

from tools import environment
from tools.environment import Environment, EnvironmentProblem

RUNTIME, TEST, PROJECT = "runtime.lock", "test.lock", "editable"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "requirements").mkdir()
    for name in ("setup.cfg", "pyproject.toml", "requirements/runtime.lock", "requirements/test.lock"):
        (tmp_path / name).write_text(name)
    return tmp_path


@pytest.fixture
def installs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was installed, instead of installing it: pip itself is not under test."""
    done: list[str] = []

    def create(folder: Path, **_options: Any) -> None:
        (folder / "bin").mkdir(parents=True)
        (folder / "bin" / "python").touch()

    def run(command: list[Any], **_options: Any) -> subprocess.CompletedProcess[str]:
        if "install" in command:
            done.append(PROJECT if "--editable" in command else Path(command[-1]).name)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(venv, "create", create)
    monkeypatch.setattr(subprocess, "run", run)
    return done


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        (["runtime"], [RUNTIME, PROJECT]),
        (["runtime", "runtime"], [RUNTIME, PROJECT]),
        (["runtime", "test"], [RUNTIME, PROJECT, TEST]),
        (["test", "runtime", "test"], [TEST, PROJECT]),
    ],
)
def test_nothing_is_installed_twice(
    checkout: Path, installs: list[str], kinds: list[str], expected: list[str]
) -> None:
    for kind in kinds:
        Environment(checkout).provide(kind)

    assert installs == expected


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ("requirements/runtime.lock", [RUNTIME]),
        ("requirements/test.lock", []),
        ("setup.cfg", [PROJECT]),
    ],
)
def test_what_changed_is_installed_again(
    checkout: Path, installs: list[str], changed: str, expected: list[str]
) -> None:
    Environment(checkout).provide("runtime")
    installs.clear()
    (checkout / changed).write_text("changed")

    Environment(checkout).provide("runtime")

    assert installs == expected


def test_a_damaged_record_is_as_good_as_none(checkout: Path, installs: list[str]) -> None:
    Environment(checkout).provide("runtime")
    Environment(checkout).record.write_text("{")
    installs.clear()

    Environment(checkout).provide("runtime")

    assert installs == [RUNTIME, PROJECT]
    assert len(json.loads(Environment(checkout).record.read_text())) == 2


def test_a_python_without_venv_is_named_with_the_command_that_installs_it(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)

    with pytest.raises(EnvironmentProblem, match="apt-get install -y python3-venv"):
        Environment(checkout).provide("runtime")


def test_a_failing_pip_tells_why(
    checkout: Path, installs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Environment(checkout).provide("runtime")
    (checkout / "setup.cfg").write_text("changed")
    failed = subprocess.CompletedProcess(["pip"], 1, "", "no such version")
    works = subprocess.CompletedProcess(["pip"], 0, "", "")
    monkeypatch.setattr(subprocess, "run", lambda command, **_: failed if "install" in command else works)

    with pytest.raises(EnvironmentProblem, match="no such version"):
        Environment(checkout).provide("runtime")

    assert installs == [RUNTIME, PROJECT]


def test_an_old_python_is_told_how_to_choose_another(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(environment, "PYTHON_NEEDED", (99, 0))

    code = environment.main(["runtime"])

    assert code == 1
    assert "make PYTHON=python3.11" in capsys.readouterr().out
