"""``ota-sandbox vectors``: recorded and computed vectors against the product's own code."""

from __future__ import annotations

from pathlib import Path

import click

from ota.sandbox.vectors import check_file


@click.command(short_help="Check files of vectors, and exit 1 for a wrong one.")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
def vectors(files: tuple[Path, ...]) -> None:
    """Check FILES of vectors (the format of tests/vectors) and print passed or failed for each vector.

    A kind that is not known counts as failed. The last line sums up; exit 1 when one failed.
    """
    results = [(file, result) for file in files for result in check_file(file)]
    for file, result in results:
        why = f": {result.why}" if result.why else ""
        click.echo(f"{'passed' if result.passed else 'failed'} {file.name} {result.kind} {result.name}{why}")
    failed = sum(not result.passed for _, result in results)
    click.echo(f"{len(results) - failed} passed, {failed} failed")
    if failed:
        raise click.exceptions.Exit(1)
