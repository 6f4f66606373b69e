"""``ota-sandbox wallet``: the side of a wallet's server that the platform speaks to, on this machine."""

from __future__ import annotations

import threading
from pathlib import Path

import click

from ota.sandbox import credentials
from ota.sandbox.api import Api
from ota.sandbox.callback_server import CallbackServer, HungUp, Posted, listening
from ota.sandbox.cli.arguments import AUDIENCE_OPTION, SERVER, connected, own_or_published
from ota.sandbox.payment_desk import Mishap, PaymentDesk
from ota.sandbox.receipts import KEYS

_PATHS = ("/refunds", "/refunds/query", "/events")


@click.command()
@SERVER
@click.option(
    "--caller", "caller_id", default="sandbox-wallet", show_default=True, help="Which wallet this is."
)
@click.option(
    "--key",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Its private JWK; not for published callers.",
)
@click.option("--port", type=click.IntRange(0, 65535), default=8098, show_default=True)
@click.option(
    "--mishap",
    "mishaps",
    nargs=2,
    type=(click.Choice(_PATHS), click.Choice([mishap.value for mishap in Mishap])),
    multiple=True,
    metavar="PATH MISHAP",
    help="What goes wrong with the next message to a path; may be given more than once.",
)
@AUDIENCE_OPTION
def wallet(
    *,
    server: str,
    caller_id: str,
    key: Path | None,
    port: int,
    mishaps: tuple[tuple[str, str], ...],
    audience: str,
) -> None:
    """Pay refunds and take events, one line for each. Ctrl-C ends it.

    Its first lines are this wallet as a file for `ota callers register`: run that while the platform is up.
    """
    own = own_or_published(caller_id, key, lambda: credentials.wallet(caller_id))
    with connected(server, transcript=None) as api:
        desk = PaymentDesk(own, lambda: _keys(api), audience)
        for path, mishap in mishaps:
            desk.plan(path, Mishap(mishap))
        with listening(CallbackServer(lambda posted: _told(desk, posted)), port) as address:
            click.echo(_registration(own, address))
            _wait()


def _keys(api: Api) -> dict[str, object]:
    return api.get_public(KEYS)


def _told(desk: PaymentDesk, posted: Posted) -> tuple[int, bytes]:
    """Answer, and say what it was about."""
    known = len(desk.events)
    try:
        status, body = desk.take(posted)
        outcome = str(status)
    except HungUp:
        outcome = "no answer"
        raise
    finally:
        about = desk.events[-1]["kind"] if len(desk.events) > known else ""
        click.echo(f"{posted.path} {about} {outcome}".replace("  ", " "), err=True)
    return status, body


def _registration(own: credentials.Credentials, address: str) -> str:
    jwk = own.private_jwk
    return (
        f'[keys.{own.kid}]\nkty = "EC"\ncrv = "P-256"\nx = "{jwk["x"]}"\ny = "{jwk["y"]}"\n\n'
        f'[[caller]]\nid = "{own.caller_id}"\nkind = "wallet"\nwallet = "{own.caller_id}"\n'
        f'key = "{own.kid}"\ncallback_url = "{address}"\n'
    )


def _wait() -> None:
    threading.Event().wait()
