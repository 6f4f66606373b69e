"""The sandbox's door: ``ota-sandbox``. Each module holds the commands of one subject."""

from __future__ import annotations

import click

from ota.sandbox.cli.cardkeys import cardkeys
from ota.sandbox.cli.city_host import city_host
from ota.sandbox.cli.demo import demo
from ota.sandbox.cli.element import element
from ota.sandbox.cli.phone import phone
from ota.sandbox.cli.simulate import simulate
from ota.sandbox.cli.terminal import terminal
from ota.sandbox.cli.vectors import vectors
from ota.sandbox.cli.wallet import wallet


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="ota")
def main() -> None:
    """The world around the platform, in software: a secure element, a phone with its wallet, a terminal.

    \b
    See it all:     ota-sandbox demo
    Piece by piece: ota serve                                         a platform (port 8080)
                    ota-sandbox element --tcp 127.0.0.1:9000          an empty secure element
                    ota-sandbox phone issue --server http://127.0.0.1:8080 \\
                        --element tcp://127.0.0.1:9000 --city guangzhou
    Nothing here holds a secret: every key is a published test key.
    """  # noqa: D301  \b keeps click from joining the lines


for command in (demo, element, phone, wallet, terminal, cardkeys, city_host, vectors, simulate):
    main.add_command(command)
