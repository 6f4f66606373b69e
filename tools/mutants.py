"""Change the code a little, again and again, and see whether a test notices: `python -m tools.mutants [--floor PERCENT]`.

mutmut makes the changes, in a copy of the checkout, one at a time. What it changes and which tests it runs stands in
setup.cfg under [mutmut]. It changes nothing outside of functions: the tables of states.py are changed pair by pair in
tests/guards/test_tables.py.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from tests.databases import PostgresServer, Templates, migrate
from tools.services import postgres

ROOT: Final = Path(__file__).resolve().parent.parent
NEEDED: Final = (
    "ota",
    "tests",
    "tools",
    "benchmarks",
    "chaos",
    "config",
    "docs",
    "setup.cfg",
    "pyproject.toml",
)
FLOOR: Final = 85.0
_NOTICED: Final = ("killed", "timeout", "segfault")
_NOT_NOTICED: Final = ("survived", "no_tests", "suspicious")


def main(arguments: list[str]) -> int:
    """Run mutmut and print its figures as one line of JSON; exit code 1 below the floor."""
    parser = argparse.ArgumentParser(prog="python -m tools.mutants", description=__doc__)
    parser.add_argument("--floor", type=float, default=FLOOR, help=f"percent that must be noticed [{FLOOR}]")
    parser.add_argument("--children", type=int, default=2, help="changes tried at a time [2]")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="ota-mutants-") as folder:
        copy = Path(folder) / "checkout"
        _copy(copy)
        environment = {**os.environ, Templates.VARIABLE: _templates(Path(folder)).name}
        _mutmut(copy, environment, "run", "--max-children", str(options.children))
        survivors = _mutmut(copy, environment, "results", quiet=True)
        _mutmut(copy, environment, "export-cicd-stats", quiet=True)
        stats = json.loads((copy / "mutants" / "mutmut-cicd-stats.json").read_text(encoding="utf-8"))
    print(survivors.strip())
    figures = summarise(stats)
    print(json.dumps(figures))
    return 0 if figures["score"] >= options.floor else 1


def summarise(stats: dict[str, Any]) -> dict[str, Any]:
    """The share of changes that a test noticed, in percent."""
    noticed = sum(int(stats.get(name, 0)) for name in _NOTICED)
    tried = noticed + sum(int(stats.get(name, 0)) for name in _NOT_NOTICED)
    score = round(100 * noticed / tried, 1) if tried else 0.0
    return {"tried": tried, "noticed": noticed, "score": score}


def _copy(target: Path) -> None:
    """A copy to work in: mutmut must not touch the checkout, and nobody must change it meanwhile."""
    target.mkdir()
    for name in NEEDED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, target / name)


def _templates(folder: Path) -> Templates:
    """Migrated databases, made once for all changes."""
    server = PostgresServer(os.environ[postgres.VARIABLE], "mutants")
    made = Templates(folder / "template.sqlite3", server.create())
    for url in (f"sqlite:///{made.sqlite}", server.url_of(made.postgresql)):
        migrate(url)
    return made


def _mutmut(folder: Path, environment: dict[str, str], *arguments: str, quiet: bool = False) -> str:
    program = str(Path(sys.executable).with_name("mutmut"))
    done = subprocess.run(
        [program, *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE if quiet else sys.stderr,
        text=True,
        check=True,
    )
    return done.stdout or ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
