"""The lists of commands, as a window of 80 columns shows them."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest

from ota.cli import main as ota
from ota.sandbox.cli import main as ota_sandbox


def groups(command: click.Command, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Group]]:
    if isinstance(command, click.Group):
        yield words, command
        for name, inner in command.commands.items():
            yield from groups(inner, (*words, name))


GROUPS = (*groups(ota, ("ota",)), *groups(ota_sandbox, ("ota-sandbox",)))


@pytest.mark.parametrize(
    "group", [group for _, group in GROUPS], ids=[" ".join(words) for words, _ in GROUPS]
)
def test_no_line_of_a_list_of_commands_is_cut_off(group: click.Group) -> None:
    context = click.Context(group, info_name=group.name, terminal_width=80)

    shown = group.get_help(context).partition("Commands:\n")[2].splitlines()

    assert len(shown) == len(group.commands)  # nor wrapped
    assert [line for line in shown if line.endswith("...")] == []


@pytest.mark.parametrize("name", ["serve", "openapi"])
def test_where_the_configuration_is_looked_for_is_told_wholly(name: str) -> None:
    command = ota.commands[name]

    told = " ".join(command.get_help(click.Context(command, terminal_width=200)).split())

    assert "[default: ./config, or else the one that was installed]" in told
