"""``ota-sandbox element``: the virtual secure element alone, behind the line protocol."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable
from typing import Any

import click

from ota.sandbox.element import CREDIT, Algorithm, Element, Instant, Options, Prove
from ota.sandbox.element.server import ElementServer
from ota.sandbox.make_cards import DEFAULT_I, blank_element
from ota.sandbox.transport import parse_address


def address(text: str) -> tuple[str, int]:
    """HOST:PORT, with or without tcp:// before it."""
    try:
        return parse_address(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def hex_byte(text: str) -> int:
    """One byte as two hex digits."""
    return int(_matched(text, r"[0-9A-Fa-f]{2}", "two hex digits")[0], 16)


def hex_bytes(text: str) -> bytes:
    """Bytes as hex digits."""
    return bytes.fromhex(_matched(text, r"(?:[0-9A-Fa-f]{2})+", "pairs of hex digits")[0])


def planned_answer(text: str) -> tuple[int, int]:
    """INS=SW: the next command with this instruction is answered so."""
    found = _matched(
        text, r"([0-9A-Fa-f]{2})=([0-9A-Fa-f]{4})", "an instruction and a status word, as E2=6A84"
    )
    return int(found[1], 16), int(found[2], 16)


def _matched(text: str, pattern: str, expected: str) -> re.Match[str]:
    found = re.fullmatch(pattern, text)
    if found is None:
        raise click.BadParameter(f"{text!r}: expected {expected}")
    return found


_MAKE = (
    click.option("--scp", type=click.Choice(["02", "03"]), default="03", show_default=True, help="Protocol."),
    click.option("--i", type=hex_byte, help="Its option byte. [default: 70 for 03, 55 for 02: predictable]"),
    click.option(
        "--key-bits",
        type=click.Choice(["128", "192", "256"]),
        default="128",
        help="AES key length, SCP03 only.",
    ),
    click.option(
        "--algorithm", type=click.Choice(["3des", "sm4"]), default="3des", help="Of the purse's key 01."
    ),
    click.option("--seed", help="The same seed makes the same chip, with the same random numbers."),
    click.option("--fixed-random", type=hex_bytes, help="A bad card: its random number is always this one."),
    click.option("--memory", type=click.IntRange(0), help="Bytes free for applications; too few give 6A84."),
    click.option(
        "--by-61xx", is_flag=True, help="Answer 61xx and wait for GET RESPONSE, as contact cards do."
    ),
    click.option(
        "--ppse-restricts", is_flag=True, help="After SELECT PPSE, let only listed names be selected."
    ),
    click.option(
        "--prove",
        type=click.Choice([each.value for each in Prove]),
        default="once",
        help="GET TRANSACTION PROVE.",
    ),
)
_ACCIDENTS = (
    click.option(
        "--cut-before", type=click.IntRange(1), multiple=True, help="Tear the card before the N-th command."
    ),
    click.option(
        "--cut-after", type=click.IntRange(1), multiple=True, help="Tear it after; its answer is lost."
    ),
    click.option(
        "--cut-in-credit",
        type=click.Choice(["before-write", "after-write"]),
        help="Tear it inside the next CREDIT FOR LOAD.",
    ),
    click.option(
        "--answer", type=planned_answer, multiple=True, help="INS=SW: answer the next such command so."
    ),
)


def _all(options: tuple[Callable[..., Any], ...]) -> Callable[..., Any]:
    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


@click.command(short_help="A virtual secure element.")
@click.option("--tcp", "place", type=address, required=True, help="Where to listen; port 0 takes a free one.")
@_all(_MAKE)
@_all(_ACCIDENTS)
def element(place: tuple[str, int], **options: Any) -> None:
    """A virtual secure element: one hex APDU a line in, the answer in hex a line out.

    The first line on standard output is a JSON object: address, number, and security domains with their keys. The line
    RESET cuts the power; a closed connection is a torn card. What is written stays until Ctrl-C or SIGTERM.
    """
    try:
        made = _make(options)
        server = ElementServer(made, *place)
    except (OSError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    signal.signal(signal.SIGTERM, lambda *_: server.close())
    click.echo(json.dumps(server.describe()))
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.close()


def _make(options: dict[str, Any]) -> Element:
    scp = options["scp"]
    made = blank_element(
        Options(
            scp=scp,
            i=DEFAULT_I[scp] if options["i"] is None else options["i"],
            seed=options["seed"],
            memory=options["memory"],
            fixed_random=options["fixed_random"],
            response_by_61xx=options["by_61xx"],
            ppse_restricts=options["ppse_restricts"],
            purse_algorithm=Algorithm(options["algorithm"]),
            prove=Prove(options["prove"]),
        ),
        int(options["key_bits"]),
    )
    _plan_accidents(made, options)
    return made


def _plan_accidents(made: Element, options: dict[str, Any]) -> None:
    for number in options["cut_before"]:
        made.faults.cut_before(number)
    for number in options["cut_after"]:
        made.faults.cut_after(number)
    if options["cut_in_credit"] is not None:
        made.faults.cut_inside(CREDIT, Instant(options["cut_in_credit"].replace("-", "_")))
    for instruction, sw in options["answer"]:
        made.faults.answer(instruction, sw)
