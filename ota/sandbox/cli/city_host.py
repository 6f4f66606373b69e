"""``ota-sandbox city-host``: a self-issuing city's own platform, simulated, for a platform on this machine."""

from __future__ import annotations

import threading
from pathlib import Path

import click
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from ota.sandbox.city_host import CityHost, Fault
from ota.sandbox.city_host_messages import Signature
from ota.sandbox.city_host_server import listening

_VERBS = ("check", "authorise", "confirm", "void", "query")


@click.command(name="city-host", short_help="Answer for one city's cards.")
@click.option("--issuer-code", required=True, help="The city's 8 digits, such as 02775880 (config/cities).")
@click.option("--port", type=click.IntRange(0, 65535), default=8099, show_default=True)
@click.option("--key-id", default="sandbox-city-1", show_default=True, help="Its key's name in [host].")
@click.option(
    "--key",
    "key_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Its private key (PEM); made if it is not there. [default: a new one each time]",
)
@click.option(
    "--platform-key", nargs=3, metavar="ID X Y", help="The platform's key, as `ota city-hosts` prints it."
)
@click.option(
    "--fault",
    "faults",
    nargs=2,
    type=(click.Choice(_VERBS), click.Choice([fault.value for fault in Fault])),
    multiple=True,
    metavar="VERB FAULT",
    help="What goes wrong with the next message of a verb; may be given more than once.",
)
def city_host(
    *,
    issuer_code: str,
    port: int,
    key_id: str,
    key_file: Path | None,
    platform_key: tuple[str, str, str] | None,
    faults: tuple[tuple[str, str], ...],
) -> None:
    """Answer for one city's cards, with masters like the sandbox's own. Ctrl-C ends it.

    Its first lines are the [host] table for the city's file in config/cities, whose city then says
    self_issuing = true. Without --platform-key it answers nobody.
    """
    signature = Signature(key_id, _key(key_file))
    known = {platform_key[0]: (platform_key[1], platform_key[2])} if platform_key else {}
    host = CityHost(issuer_code, signature, known)
    for verb, fault in faults:
        host.plan(verb, Fault(fault))
    with listening(host, port) as address:
        x, y = signature.public
        our_id = platform_key[0] if platform_key else "province-1"
        click.echo(f'[host]\nurl = "{address}"\nplatform_key_id = "{our_id}"\n')
        click.echo(f'[[host.city_keys]]\nid = "{key_id}"\nx = "{x}"\ny = "{y}"\n')
        click.echo("listening" if known else "listening, but no --platform-key is known yet", err=True)
        _wait()


def _wait() -> None:
    threading.Event().wait()


def _key(file: Path | None) -> ec.EllipticCurvePrivateKey:
    if file is not None and file.exists():
        found = load_pem_private_key(file.read_bytes(), None)
        if not isinstance(found, ec.EllipticCurvePrivateKey):
            raise click.BadParameter("expected an EC private key", param_hint="--key")
        return found
    made = ec.generate_private_key(ec.SECP256R1())
    if file is not None:
        file.touch(mode=0o600)
        file.write_bytes(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return made
