"""Make the virtual environment .venv from a lock: `python3 tools/environment.py runtime|test`.

Runs on the system's Python before anything is installed, so it uses the standard library only.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON_NEEDED = (3, 11)


class EnvironmentProblem(Exception):
    """Something is missing that only the person at the machine can provide."""


class Environment:
    """The virtual environment of one checkout, and the record of what was installed into it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / ".venv"
        self.python = self.folder / "bin" / "python"
        self.record = self.folder / "installed.json"

    def provide(self, kind: str) -> None:
        """Create the environment where it is missing, and install what changed since the last time."""
        if not self._works():
            self._create()
        locks, project = self._recorded()
        if self._lock_digest(kind) not in locks:
            self._install_lock(kind)
            locks = [self._lock_digest(kind), *self._contained(kind)]
        if self._project_digest() != project:
            self._install_project()
        self._write(locks, self._project_digest())

    def _project_digest(self) -> str:
        return self._digest(self.root / "setup.cfg", self.root / "pyproject.toml")

    def _lock_digest(self, kind: str) -> str:
        return f"{kind} {self._digest(self.root / 'requirements' / f'{kind}.lock')}"

    def _contained(self, kind: str) -> list[str]:
        """Name the locks that this one contains: the test lock holds the runtime lock's pins."""
        return [self._lock_digest("runtime")] if kind == "test" else []

    @staticmethod
    def _digest(*files: Path) -> str:
        return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()

    def _recorded(self) -> tuple[list[str], str]:
        try:
            record = json.loads(self.record.read_text(encoding="utf-8"))
            return list(record["locks"]), str(record["project"])
        except (OSError, ValueError, KeyError, TypeError):
            return [], ""

    def _write(self, locks: list[str], project: str) -> None:
        self.record.write_text(json.dumps({"locks": locks, "project": project}), encoding="utf-8")

    def _works(self) -> bool:
        """Tell whether pip starts; a half-made environment or one of a removed Python does not."""
        if not self.python.exists():
            return False
        done = subprocess.run([self.python, "-m", "pip", "--version"], capture_output=True, check=False)
        return done.returncode == 0

    def _create(self) -> None:
        if importlib.util.find_spec("ensurepip") is None:
            message = (
                "Python's venv module is incomplete here. Install it with: apt-get install -y python3-venv"
            )
            raise EnvironmentProblem(message)
        print(f"Creating {self.folder.name} with Python {sys.version.split()[0]}", flush=True)
        venv.create(self.folder, clear=True, with_pip=True, symlinks=True)

    def _install_lock(self, kind: str) -> None:
        print(f"Installing the pinned packages of requirements/{kind}.lock", flush=True)
        lock = self.root / "requirements" / f"{kind}.lock"
        self._pip("--require-hashes", "--no-deps", "--requirement", str(lock))

    def _install_project(self) -> None:
        self._pip("--no-deps", "--no-build-isolation", "--editable", str(self.root))

    def _pip(self, *arguments: str) -> None:
        pip = [str(self.python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        done = subprocess.run([*pip, *arguments], capture_output=True, text=True, check=False)
        if done.returncode:
            raise EnvironmentProblem(f"pip install {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Let one make at a time change the environment."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def main(arguments: list[str]) -> int:
    """Provide the environment that the arguments name; return the exit code."""
    if sys.version_info < PYTHON_NEEDED:
        print(
            f"Python 3.11 or later is needed; this is {sys.version.split()[0]}. Try: make PYTHON=python3.11"
        )
        return 1
    if arguments not in (["runtime"], ["test"]):
        print(__doc__)
        return 2
    try:
        with alone(ROOT):
            Environment(ROOT).provide(arguments[0])
    except EnvironmentProblem as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
