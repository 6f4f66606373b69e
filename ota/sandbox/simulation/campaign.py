"""Many seeds, one after the other or in several processes, and what they come to."""

from __future__ import annotations

import hashlib
import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial

from ota.sandbox.simulation.installation import Installation, installed
from ota.sandbox.simulation.mutants import MUTANTS
from ota.sandbox.simulation.run import run, scenario_of
from ota.sandbox.simulation.shrink import shrink
from ota.sandbox.simulation.world import Outcome


@dataclass(frozen=True, slots=True)
class Campaign:
    """Which runs: ``seeds`` of them from ``first`` on, each with so many orders; with a wrong rule, if one is named."""

    seeds: int
    orders: int
    first: int = 0
    database_url: str = ""
    mutant: str | None = None


@dataclass(slots=True)
class Total:
    """The sum of all runs; ``trace_hash`` covers every line of every run."""

    seeds: int = 0
    orders: int = 0
    faults: int = 0
    lost_fen: int = 0
    doubled_fen: int = 0
    not_converged: int = 0
    failed: list[Outcome] = field(default_factory=list)
    _digest: hashlib._Hash = field(default_factory=hashlib.sha256)

    def add(self, outcome: Outcome) -> None:
        """Count one run."""
        self.seeds += 1
        self.orders += len(outcome.scenario.orders)
        self.faults += len(outcome.struck)
        self.lost_fen += outcome.verdict.lost_fen
        self.doubled_fen += outcome.verdict.doubled_fen
        self.not_converged += len(outcome.verdict.not_converged)
        self._digest.update(bytes.fromhex(outcome.trace_hash))
        if not outcome.ok:
            self.failed.append(outcome)

    def to_json(self) -> dict[str, int | str]:
        """For machines."""
        return {
            "seeds": self.seeds,
            "orders": self.orders,
            "faults": self.faults,
            "lost_fen": self.lost_fen,
            "doubled_fen": self.doubled_fen,
            "not_converged": self.not_converged,
            "trace_hash": self._digest.hexdigest(),
        }


def simulate(
    campaign: Campaign, jobs: int = 1, tell: Callable[[Outcome], None] = lambda _outcome: None
) -> Total:
    """Run a campaign; with a mutant it ends at the first seed that finds it. ``tell`` hears of every run."""
    total = Total()
    with _outcomes(campaign, jobs) as outcomes:
        for outcome in outcomes:
            total.add(outcome)
            tell(outcome)
            if campaign.mutant is not None and not outcome.ok:
                break
    return total


def shortest(campaign: Campaign, failed: Outcome) -> Outcome:
    """A short way to a failure of a campaign, with its lines."""
    with _prepared(campaign) as installation:
        attempt = partial(run, installation, keep_lines=True)
        again = attempt(failed.scenario)
        return shrink(again, attempt) if not again.ok else failed


@contextmanager
def _prepared(campaign: Campaign) -> Iterator[Installation]:
    with ExitStack() as stack:
        if campaign.mutant is not None:
            stack.enter_context(MUTANTS[campaign.mutant].put_in())
        yield stack.enter_context(installed(campaign.database_url))


@contextmanager
def _outcomes(campaign: Campaign, jobs: int) -> Iterator[Iterable[Outcome]]:
    """The outcomes in the order of their seeds."""
    numbers = range(campaign.first, campaign.first + campaign.seeds)
    if jobs <= 1:
        with _prepared(campaign) as installation:
            yield (run(installation, scenario_of(seed, campaign.orders)) for seed in numbers)
        return
    # A fresh interpreter for each: a forked one would share the database connections of this one.
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, fresh, initializer=_begin_work, initargs=(campaign,)) as pool:
        yield pool.map(partial(_work, campaign.orders), numbers)
        pool.shutdown(cancel_futures=True)


_worker = ExitStack()
_installation: list[Installation] = []


def _begin_work(campaign: Campaign) -> None:
    """Make a worker process ready; it ends with the pool, and its folder with it."""
    _installation.append(_worker.enter_context(_prepared(campaign)))
    multiprocessing.util.Finalize(None, _worker.close, exitpriority=10)


def _work(orders: int, seed: int) -> Outcome:
    return run(_installation[0], scenario_of(seed, orders))
