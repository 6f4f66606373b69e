"""Kill the platform's processes under load and look for every fen: `python -m chaos [--kills N] [--topups M] [--seed S]`."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from chaos.phones import Work
from chaos.plan import KILLS, digest
from chaos.result import Order, Result
from chaos.run import Tell, run
from chaos.storm import Storm


def main(arguments: list[str]) -> int:
    """Run once; the last line is one JSON object. Return the exit code."""
    options = _parser().parse_args(arguments)
    order = Order(options.kills, options.topups, options.seed, options.phones)
    signal.signal(signal.SIGTERM, _leave)
    console = Console(stderr=True)
    folder = Path(tempfile.mkdtemp(prefix="ota-chaos-"))
    folder.chmod(0o711)
    console.print(f"seed {order.seed}: {order.kills} kills over {order.topups} top-ups, logs in {folder}")
    with _progress(console, order) as tell:
        result = run(order, folder, tell)
    _show(console, result)
    print(json.dumps(result.to_json(), ensure_ascii=False))
    return 0 if result.ok else 1


def _leave(_number: int, _frame: FrameType | None) -> None:
    """End what was started, too."""
    raise SystemExit(128 + signal.SIGTERM)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=300, help="how many processes are killed [300]")
    parser.add_argument("--topups", type=int, default=3000, help="how many top-ups are made at least [3000]")
    parser.add_argument("--seed", type=int, default=1, help="chooses blows, victims and amounts [1]")
    parser.add_argument("--phones", type=int, default=8, help="how many phones at a time [8]")
    return parser


@contextmanager
def _progress(console: Console, order: Order) -> Iterator[Tell]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, refresh_per_second=2) as progress:
        topups = progress.add_task("top-ups", total=order.topups)
        kills = progress.add_task("kills", total=order.kills)

        def tell(work: Work, storm: Storm) -> None:
            progress.update(topups, completed=work.done)
            progress.update(kills, completed=sum(storm.struck[blow] for blow in KILLS))

        yield tell


def _show(console: Console, result: Result) -> None:
    told = result.to_json()
    console.print(f"plan {digest(result.plan)}: {told['struck']}")
    for what, why in result.not_possible.items():
        console.print(f"not possible here: {what}: {why}")
    console.print(f"slowest return, seconds: {told['slowest_restart_s']}; drained in {told['drain_s']} s")
    console.print(f"lost {told['lost_fen']} fen, doubled {told['doubled_fen']} fen")
    for line in [*told["not_converged"], *told["complaints"]]:
        console.print(line, markup=False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
