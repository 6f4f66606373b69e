"""Run the benchmarks: `python -m benchmarks [--json] [--seconds S] [NAME…]`.

Every module bench_NAME.py beside this file has `def bench(seconds: float) -> Iterable[Comparison]`.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Iterator
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.measure import Comparison


def main(arguments: list[str]) -> int:
    """Measure and print; return the exit code."""
    options = _parser().parse_args(arguments)
    names = options.names or _all_names()
    comparisons = _measured(names, options.seconds)
    if options.json:
        machine = {"python": platform.python_version(), "machine": platform.machine()}
        print(
            json.dumps(
                {**machine, "comparisons": [asdict(comparison) for comparison in comparisons]}, indent=2
            )
        )
        return 0
    console = Console()
    for comparison in comparisons:
        console.print(_table(comparison))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of tables")
    parser.add_argument("--seconds", type=float, default=1.0, help="about how long to measure each case")
    parser.add_argument("names", nargs="*", metavar="NAME", help="which of the benchmarks; all without it")
    return parser


def _all_names() -> list[str]:
    return sorted(path.stem.removeprefix("bench_") for path in Path(__file__).parent.glob("bench_*.py"))


def _measured(names: list[str], seconds: float) -> Iterator[Comparison]:
    for name in names:
        yield from import_module(f"benchmarks.bench_{name}").bench(seconds)


def _table(comparison: Comparison) -> Table:
    table = Table(title=comparison.title, title_justify="left")
    table.add_column("what")
    for column in ("p50 ms", "p99 ms", "per second", "times baseline"):
        table.add_column(column, justify="right")
    for figures in comparison.figures:
        times = (f"{figures.p50_ms:.4f}", f"{figures.p99_ms:.4f}")
        table.add_row(figures.name, *times, f"{figures.per_second:,.0f}", f"{figures.ratio:.2f}")
    return table


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
