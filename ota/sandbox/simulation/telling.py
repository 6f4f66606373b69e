"""What a campaign says to people: its progress, its sum, and after a failure the shortest way to it."""

from __future__ import annotations

import json
from collections.abc import Callable

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ota.sandbox.simulation.campaign import Campaign, Total, shortest, simulate
from ota.sandbox.simulation.mutants import MUTANTS
from ota.sandbox.simulation.practice import Practice
from ota.sandbox.simulation.world import Outcome

_TOLD_FAILURES = 5
_LINES, _LEAST_BETWEEN_LINES, _MOST_BETWEEN_LINES = 20, 10, 100


def list_mutants(*, as_json: bool) -> None:
    """Print every mutant."""
    if as_json:
        click.echo(json.dumps([{"name": each.name, "rule": each.rule} for each in MUTANTS.values()]))
        return
    for each in MUTANTS.values():
        click.echo(f"{each.name:<26} {each.rule}")


def run_with_progress(campaign: Campaign, jobs: int) -> Total:
    """Run a campaign under a progress bar on standard error, or with a plain line now and then where nobody sees bars."""
    console = Console(stderr=True)
    if not console.is_terminal:
        return simulate(campaign, jobs, _Lines(campaign.seeds).tell)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("seeds", total=campaign.seeds)

        def tell(outcome: Outcome) -> None:
            progress.advance(task)
            if not outcome.ok:
                progress.update(task, description=f"seed {outcome.scenario.seed} [red]breaks a promise[/]")

        return simulate(campaign, jobs, tell)


class _Lines:
    """Says how far a campaign is, so that a log of hours shows it: every so many seeds, at the end, and at each failure."""

    def __init__(self, seeds: int) -> None:
        self._seeds = seeds
        self._every = min(_MOST_BETWEEN_LINES, max(_LEAST_BETWEEN_LINES, seeds // _LINES))
        self._done = self._faults = self._failures = 0

    def tell(self, outcome: Outcome) -> None:
        """Count one run, and say so if it is time."""
        self._done += 1
        self._faults += len(outcome.struck)
        self._failures += not outcome.ok
        if not outcome.ok or self._done % self._every == 0 or self._done == self._seeds:
            broken = "" if outcome.ok else f"; seed {outcome.scenario.seed} breaks a promise"
            told = f"seeds done: {self._done} of {self._seeds}, faults: {self._faults}, failures: {self._failures}"
            click.echo(f"{told}{broken}", err=True)


def tell_result(campaign: Campaign, total: Total) -> None:
    """The result for people; after a failure, how to get there."""
    click.echo(
        f"{total.seeds} seeds, {total.orders} orders, {total.faults} faults: {total.lost_fen} fen lost, "
        f"{total.doubled_fen} fen doubled, {total.not_converged} not converged"
    )
    if not total.failed:
        if campaign.mutant is not None:
            click.echo(f"the wrong rule {campaign.mutant} was not found")
        return
    for outcome in total.failed[:_TOLD_FAILURES]:
        click.echo(f"seed {outcome.scenario.seed}: {outcome.complaint}")
    _tell_shortest(click.echo, shortest(campaign, total.failed[0]))


def _tell_shortest(echo: Callable[[str], None], outcome: Outcome) -> None:
    scenario = outcome.scenario
    echo(f"\nseed {scenario.seed}, orders {', '.join(map(str, scenario.orders))}, the shortest trace found:")
    if scenario.habit is not Practice.USUAL:
        echo(f"  two cities' practice: {scenario.habit}")
    for strike in outcome.struck:
        echo(f"  fault  {strike}")
    for line in outcome.lines:
        echo(f"  {line}")
    echo(f"  {outcome.complaint}")
