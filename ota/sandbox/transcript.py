"""Prints what is said to a card and to the platform, line by line, for people who want to see how it works."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ota.sandbox.connection import Connection, Reply
from ota.sandbox.reader import Answer, Spoken
from ota.sandbox.sentences import aside, command_meaning, detail, status_meaning

WIDTH: Final = 132
"""Columns where nobody looks through a window: a file, a pipe."""

_ROOMY: Final = 110
"""Columns that answers need beside commands; a narrower window shows status words only."""

_SELECT: Final = 0xA4
_NAMED: Final = {0xE2: "STORE DATA", 0xE4: "DELETE", 0xE6: "INSTALL [for personalization]"}
_SHOWN_BYTES: Final = 5
_SHOWN_ANSWER: Final = 6


def make_console(*, quiet: bool = False) -> Console:
    """A console on standard output; quiet prints nothing, so that a machine reads JSON only."""
    console = Console(quiet=quiet, highlight=False)
    if not console.is_terminal:
        console.width = WIDTH
    return console


class Transcript:
    """One conversation, printed as it happens."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._number = 0
        self.card_seconds = 0.0
        self.platform_seconds = 0.0

    def heading(self, english: str, chinese: str) -> None:
        """Begin a part."""
        self._console.print()
        self._console.rule(f"[bold]{escape(english)}[/] {escape(chinese)}", align="left", style="cyan")

    def note(self, sentence: str) -> None:
        """Say something in passing."""
        self._console.print(f"    [dim]{escape(sentence)}[/]")

    def fact(self, holds: bool, sentence: str) -> None:  # noqa: FBT001  it is the sentence's first word
        """Say what was checked, and whether it holds."""
        mark = "[bold green]✓[/]" if holds else "[bold red]✗[/]"
        self._console.print(f"  {mark} {escape(sentence)}")

    def asked(self, method: str, path: str, status: int, seconds: float) -> None:
        """A request to the platform and its answer's status."""
        self.platform_seconds += seconds
        colour = "magenta" if status < 400 else "red"
        self._console.print(
            f"  [{colour}]⇄[/]  {method} {escape(path)} [{colour}]{status}[/] [dim]{seconds * 1000:.1f} ms[/]"
        )

    def said(self, spoken: Spoken) -> None:
        """A command to the card and its answer."""
        self._number += 1
        self.card_seconds += spoken.seconds
        roomy = self._console.width >= _ROOMY
        row = Table.grid(padding=(0, 1), expand=True)
        row.add_column(width=3, justify="right", style="dim")
        row.add_column(width=26 if roomy else 15, no_wrap=True, style="cyan")
        row.add_column(ratio=1)
        cells = [str(self._number), escape(short_command(spoken.command)), _meaning(spoken)]
        if roomy:
            row.add_column(width=19, no_wrap=True, justify="right", style="dim")
            cells.append(short_answer(spoken.answer.data))
        row.add_column(width=24, no_wrap=True)
        row.add_row(*cells, _status(spoken.answer))
        self._console.print(row)
        more = detail(spoken.command, spoken.answer.data) if spoken.answer.ok else None
        if more is not None:
            self._console.print(f"      [yellow]{escape(more)}[/]")


def short_command(command: bytes) -> str:
    """Header, length and the beginning of the data; SELECT shows the whole name."""
    header, data = command[:4].hex().upper(), command[5:]
    if not data:
        return command.hex().upper()
    if command[1] == _SELECT:
        return f"{header} {data[: command[4]].hex().upper()}"
    return f"{header} {command[4]:02X} {data[:_SHOWN_BYTES].hex().upper()}…"


def short_answer(data: bytes) -> str:
    """The beginning of an answer and how long it is."""
    if len(data) <= _SHOWN_ANSWER:
        return data.hex().upper()
    return f"{data[:_SHOWN_ANSWER].hex().upper()}… {len(data)} B"


def _meaning(spoken: Spoken) -> str:
    english, chinese = command_meaning(spoken.command)
    known = _NAMED.get(spoken.command[1]) if len(spoken.command) > 1 else None
    about = spoken.note.removeprefix(known).strip() if known and spoken.note.startswith(known) else ""
    figure = aside(spoken.command, spoken.answer.data) if spoken.answer.ok else None
    words = [escape(english), escape(about), f"[dim]{escape(chinese)}[/]"]
    return " ".join(filter(None, [*words, f"[yellow]{escape(figure)}[/]" if figure else ""]))


def _status(answer: Answer) -> str:
    colour = "green" if answer.ok else "yellow"
    english, chinese = status_meaning(answer.sw_hex)
    return f"[{colour}]{answer.sw_hex}[/] {escape(english)} [dim]{escape(chinese)}[/]"


class WatchedConnection:
    """A connection whose requests are told to somebody."""

    def __init__(self, connection: Connection, tell: Callable[[str, str, int, float], None]) -> None:
        self._connection = connection
        self._tell = tell

    def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
        """Send the request and tell method, path, status and seconds."""
        started = time.perf_counter()
        reply = self._connection.send(method, path, headers, body)
        self._tell(method, path.partition("?")[0], reply.status, time.perf_counter() - started)
        return reply
