"""``ota keys``: looking after keys by their names. What a command does is in the module of its subject."""

from __future__ import annotations

import click

from ota.cli.keys_blocks import export_key_block, import_key_block
from ota.cli.keys_capabilities import capabilities
from ota.cli.keys_import import import_key
from ota.cli.keys_list import list_keys
from ota.cli.keys_reinstate import reinstate
from ota.cli.keys_states import appoint, provision_test, state, transcript
from ota.cli.keys_token import token


@click.group()
def keys() -> None:
    """Look after keys; never shows one.

    Import by components or key blocks, states, test keys.

    \b
    A first key:  ota keys appoint
                  ota keys import province/load/2/3DES --officer Chen --officer Liang
                  ota keys list
                  ota keys state province/load/2/3DES active

    Run these on the machine of the ceremony, under the account that owns the data folder, not in a server.
    """  # noqa: D301  \b keeps click from joining the lines


for command in (
    list_keys,
    appoint,
    import_key,
    import_key_block,
    export_key_block,
    state,
    provision_test,
    reinstate,
    transcript,
    token,
    capabilities,
):
    keys.add_command(command)
