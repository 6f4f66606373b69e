"""Hold branch coverage to the floors in pyproject.toml: `python -m tools.coverage_gate coverage.json`."""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Count:
    """Lines and branches, those there are and those that ran."""

    there: int
    ran: int

    @classmethod
    def of(cls, summary: Mapping[str, int]) -> Count:
        """Read one file's summary of coverage's JSON report."""
        there = summary["num_statements"] + summary["num_branches"]
        return cls(there, summary["covered_lines"] + summary["covered_branches"])

    def __add__(self, other: Count) -> Count:
        return Count(self.there + other.there, self.ran + other.ran)

    @property
    def percent(self) -> float:
        """Share that ran; nothing to run is all of it."""
        return 100 * self.ran / self.there if self.there else 100.0


def shortfalls(files: Mapping[str, Any], floors: Mapping[str, Any]) -> list[str]:
    """Name every file below the floor of its path, and the whole if it is below its own."""
    counts = {name: Count.of(file["summary"]) for name, file in sorted(files.items())}
    complaints = [
        f"{name}: {count.percent:.2f} % of {count.there}, needed {floor} %; lines {_missing(files[name])}"
        for name, count in counts.items()
        if count.percent < (floor := _floor(name, floors["files"]))
    ]
    whole = total(counts.values())
    if whole.percent < floors["overall"]:
        complaints.append(f"overall: {whole.percent:.2f} %, needed {floors['overall']} %")
    return complaints


def total(counts: Iterable[Count]) -> Count:
    """Add up."""
    return sum(counts, Count(0, 0))


def _floor(name: str, floors: Mapping[str, float]) -> float:
    return max((floor for pattern, floor in floors.items() if fnmatch(name, pattern)), default=0)


def _missing(file: Mapping[str, Any]) -> str:
    lines = [str(line) for line in file["missing_lines"]]
    branches = [f"{start}→{end}" for start, end in file["missing_branches"]]
    return ", ".join([*lines, *branches])


def main(arguments: list[str]) -> int:
    """Print what is below its floor; return the exit code."""
    files = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))["files"]
    with (ROOT / "pyproject.toml").open("rb") as settings:
        floors = tomllib.load(settings)["tool"]["coverage-gate"]
    complaints = shortfalls(files, floors)
    for complaint in complaints:
        print(complaint)
    whole = total(Count.of(file["summary"]) for file in files.values())
    print(f"Coverage of lines and branches: {whole.percent:.2f} %, {len(complaints)} below their floor")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
