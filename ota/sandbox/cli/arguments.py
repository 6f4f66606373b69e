"""Options that several commands share: which platform, which card, and what is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import reduce
from pathlib import Path
from typing import Any

import click

from ota.sandbox.api import Api
from ota.sandbox.caller import AUDIENCE, read_credentials
from ota.sandbox.connection import HttpConnection
from ota.sandbox.credentials import Credentials
from ota.sandbox.reader import Reader
from ota.sandbox.transcript import Transcript, WatchedConnection
from ota.sandbox.transport import LineTransport

Command = Callable[..., Any]

SERVER = click.option("--server", required=True, help="The platform's address, http://HOST:PORT.")
ELEMENT = click.option(
    "--element", required=True, help="The card's address, tcp://HOST:PORT (line protocol)."
)
AID = click.option("--aid", default="A000000632010105", show_default=True, help="The purse's application.")
AUDIENCE_OPTION = click.option(
    "--audience",
    default=AUDIENCE,
    show_default=True,
    help="The platform's name (its setting tokens.audience).",
)
TRANSCRIPT = click.option(
    "--transcript", is_flag=True, help="Print every command to the card with its meaning."
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")


def together(*options: Command) -> Callable[[Command], Command]:
    """Several options as one decorator, listed in this order."""
    return lambda command: reduce(lambda decorated, option: option(decorated), reversed(options), command)


@contextmanager
def connected(server: str, *, transcript: Transcript | None) -> Iterator[Api]:
    """The platform's API; raises a usage error for an address that is none."""
    try:
        connection = HttpConnection(server)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--server") from error
    with connection:
        yield Api(connection if transcript is None else WatchedConnection(connection, transcript.asked))


@contextmanager
def card_on_reader(element: str, *, transcript: Transcript | None) -> Iterator[Reader]:
    """The card on a reader, taken away at the end; raises CardGone, and a usage error for an address that is none."""
    try:
        reader = Reader(LineTransport(element), None if transcript is None else transcript.said)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--element") from error
    try:
        yield reader
    finally:
        reader.close()


def own_or_published(caller_id: str, key: Path | None, published: Callable[[], Credentials]) -> Credentials:
    """A caller's own key from a file, or the published test key; raises a usage error when there is neither."""
    try:
        return published() if key is None else read_credentials(caller_id, key)
    except FileNotFoundError as error:
        raise click.UsageError(
            f"{caller_id} has no published test key; give its own key as a file"
        ) from error
    except ValueError as error:
        raise click.UsageError(str(error)) from error
