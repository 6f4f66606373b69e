"""``ota-sandbox phone``: a phone with any card behind the line protocol, and the wallet's server behind it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ota.sandbox import credentials
from ota.sandbox.caller import Caller
from ota.sandbox.cli.arguments import (
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
from ota.sandbox.cli.endings import Outcome, finish
from ota.sandbox.discovery import OUR_DOMAIN, Wishes
from ota.sandbox.errands import PhoneUser
from ota.sandbox.outbox import Outbox
from ota.sandbox.phone import Mishaps, Phone
from ota.sandbox.transcript import Transcript, make_console
from ota.sandbox.wallet import WalletServer

_FILE = click.Path(dir_okay=False, path_type=Path)

_WALLET = (
    click.option("--wallet-id", default="sandbox-wallet", show_default=True, help="The wallet, as a caller."),
    click.option("--wallet-key", type=_FILE, help="Its private JWK. [default: the published test key]"),
    AUDIENCE_OPTION,
)
_ELEMENT = (
    click.option("--se-id", help="The element's name. [default: from its CPLC]"),
    click.option("--sd-aid", default=OUR_DOMAIN, show_default=True, help="Its security domain."),
    click.option("--scp", type=click.Choice(["02", "03"]), help="Its protocol. [default: as it says]"),
    click.option("--i", help="The protocol's option byte, hex. [default: as it says]"),
    click.option("--key-version", help="Key version of the domain, hex. [default: as it says]"),
    click.option(
        "--no-collect", is_flag=True, help="Do not read what lets the platform predict the challenge."
    ),
)
_MISHAPS = (
    click.option("--state", type=_FILE, help="File that keeps the last report until it is acknowledged."),
    click.option("--drop-after", type=click.IntRange(1), help="The phone dies after the N-th command."),
    click.option(
        "--tear-after", type=click.IntRange(1), help="The card is torn after it; the phone says so."
    ),
    click.option(
        "--lose-report", type=click.IntRange(1), help="The phone dies before the report of batch N leaves."
    ),
    click.option("--repeat-reports", is_flag=True, help="Send every report twice."),
)
_COMMON = together(SERVER, ELEMENT, *_WALLET, *_ELEMENT, *_MISHAPS, TRANSCRIPT, JSON)


@click.group()
def phone() -> None:
    """A phone with a card.

    The card may be any that speaks the line protocol (`ota-sandbox element` is one).
    """


def _command(name: str, short_help: str) -> Callable[[Command], click.Command]:
    return lambda function: phone.command(name, short_help=short_help)(_COMMON(function))


@_command("issue", "Order a blank card and put it on the element.")
@click.option("--city", required=True, help="Name or code of the city, such as guangzhou or 5810.")
@click.option("--first-load-fen", type=click.IntRange(1), help="Money that goes onto the card at once.")
def issue(city: str, first_load_fen: int | None, **options: Any) -> None:
    """Order a blank card and put it on the element."""
    _do(options, lambda user: user.get_card(city, first_load_fen))


@_command("topup", "Pay for a load of the card, and run it.")
@click.option("--amount-fen", type=click.IntRange(1), required=True, help="Money to load.")
def topup(amount_fen: int, **options: Any) -> None:
    """Pay for a load of the card on the element, whoever issued it, and run it."""
    _do(options, lambda user: user.top_up(amount_fen))


@_command("resume", "Finish whatever is open for this element.")
def resume(**options: Any) -> None:
    """Open the app again: hand in the last report if it is kept, then finish whatever is open for this element."""
    _do(options, lambda user: user.resume())


def _do(options: dict[str, Any], errand: Callable[[PhoneUser], Outcome]) -> None:
    console = make_console(quiet=options["as_json"])
    transcript = Transcript(console) if options["transcript"] and not options["as_json"] else None
    wallet = own_or_published(
        options["wallet_id"], options["wallet_key"], lambda: credentials.wallet(options["wallet_id"])
    )
    outbox = _outbox(options["state"])

    def work() -> Outcome:
        with (
            connected(options["server"], transcript=transcript) as api,
            card_on_reader(options["element"], transcript=transcript) as reader,
            console.status("talking to card and platform …"),
        ):
            made = Phone(reader, api, outbox, _mishaps(options))
            server = WalletServer(Caller(api, wallet, options["audience"]))
            return errand(PhoneUser(reader, made, server, _wishes(options), Transcript(console).note))

    finish(work, console, as_json=options["as_json"])


def _outbox(file: Path | None) -> Outbox:
    try:
        return Outbox(file)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _wishes(options: dict[str, Any]) -> Wishes:
    return Wishes(
        se_id=options["se_id"],
        sd_aid=options["sd_aid"].upper(),
        scp=options["scp"],
        i=options["i"],
        key_version=options["key_version"],
        collect=not options["no_collect"],
    )


def _mishaps(options: dict[str, Any]) -> Mishaps:
    return Mishaps(
        options["drop_after"], options["tear_after"], options["lose_report"], options["repeat_reports"]
    )
