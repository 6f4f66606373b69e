"""``ota-sandbox terminal``: a city's terminal with any card on its reader."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ota.sandbox import credentials
from ota.sandbox.caller import Caller
from ota.sandbox.cli.arguments import (
    AID,
    AUDIENCE_OPTION,
    ELEMENT,
    JSON,
    SERVER,
    TRANSCRIPT,
    Command,
    card_on_reader,
    connected,
    own_or_published,
    together,
)
from ota.sandbox.cli.element import hex_byte
from ota.sandbox.cli.endings import Outcome, finish
from ota.sandbox.terminal import Mishaps, Terminal
from ota.sandbox.transcript import Transcript, make_console

_TERMINAL = (
    click.option(
        "--terminal-city", default="guangzhou", show_default=True, help="Whose terminal, such as foshan."
    ),
    click.option("--terminal-id", help="Its id as a caller. [default: sandbox-terminal-CITY]"),
    click.option(
        "--terminal-key",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Its private JWK. [default: the published test key]",
    ),
    AUDIENCE_OPTION,
    AID,
    click.option(
        "--key-index", type=hex_byte, default="01", show_default=True, help="Load key, hex; 41 on some."
    ),
)
_COMMON = together(SERVER, ELEMENT, *_TERMINAL, TRANSCRIPT, JSON)


@click.group()
def terminal() -> None:
    """A city's terminal.

    It loads any card of the province, also one that the platform has never seen.
    """


def _command(name: str, short_help: str) -> Callable[[Command], click.Command]:
    return lambda function: terminal.command(name, short_help=short_help)(_COMMON(function))


@_command("load", "Take money and load the card on the reader.")
@click.option("--amount-fen", type=click.IntRange(1), required=True, help="Money that was taken, to load.")
@click.option(
    "--drop-before-credit", is_flag=True, help="The terminal dies when it has MAC2, before it is sent."
)
@click.option("--lose-report", is_flag=True, help="It dies when the card is loaded, before that is reported.")
def load(amount_fen: int, *, drop_before_credit: bool, lose_report: bool, **options: Any) -> None:
    """Take money and load the card on the reader."""
    mishaps = Mishaps(drop_before_credit, lose_report)
    _do(options, mishaps, lambda made: made.load(amount_fen))


@_command("resume", "Settle what an earlier contact left open.")
def resume(**options: Any) -> None:
    """Settle what an earlier contact left open for the card on the reader."""
    _do(options, Mishaps(), lambda made: made.resume())


def _do(options: dict[str, Any], mishaps: Mishaps, work_at: Callable[[Terminal], Outcome]) -> None:
    console = make_console(quiet=options["as_json"])
    transcript = Transcript(console) if options["transcript"] and not options["as_json"] else None
    city = options["terminal_city"].lower()
    caller_id = options["terminal_id"] or f"sandbox-terminal-{city}"
    proof = own_or_published(caller_id, options["terminal_key"], lambda: credentials.terminal(city))

    def work() -> Outcome:
        with (
            connected(options["server"], transcript=transcript) as api,
            card_on_reader(options["element"], transcript=transcript) as reader,
            console.status("talking to card and platform …"),
        ):
            made = Terminal(
                reader,
                Caller(api, proof, options["audience"]),
                aid=options["aid"].upper(),
                key_index=options["key_index"],
                mishaps=mishaps,
                tell=Transcript(console).note,
            )
            return work_at(made)

    finish(work, console, as_json=options["as_json"])
