"""``ota keys import-block`` and ``export-block``: keys between this platform and a partner, in TR-31 key blocks."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TextIO

import click

from ota.cli.installation import load_settings, told_plainly
from ota.cli.keys_desk import KeyDesk, credential_options, key_ref
from ota.hsm_adapter.ceremony.key_blocks import EXPORTABILITIES, Protection, export_block, import_block
from ota.hsm_adapter.ceremony.transcript import facts_of_entry
from ota.hsm_adapter.keys import KeyRef, KeyState
from ota.hsm_adapter.tr31 import MAX_BLOCK
from ota.settings import SettingsError

_under = click.option(
    "--under",
    required=True,
    callback=key_ref,
    metavar="KEY",
    help="The transport key: owner/transport/…/AES-…",
)


@click.command(name="import-block", short_help="Import a key from a TR-31 key block.")
@click.argument("key", callback=key_ref)
@click.argument("file", type=click.File(encoding="ascii", errors="replace"))
@_under
@click.option(
    "--state",
    type=click.Choice([KeyState.PRE_ACTIVE.value, KeyState.ACTIVE.value]),
    default=KeyState.PRE_ACTIVE.value,
    show_default=True,
    help="State of the new key; `ota keys state` moves it on.",
)
@click.option("--test", is_flag=True, help="Mark it as a test key; refused in production.")
@credential_options
@told_plainly
def import_key_block(
    key: KeyRef,
    file: TextIO,
    *,
    under: KeyRef,
    state: str,
    test: bool,
    passphrase_file: Path | None,
    pin_file: Path | None,
    **installation: Any,
) -> None:
    """Import KEY from the TR-31 key block (version D) in FILE (密钥块导入); - reads standard input.

    \b
    ota keys import-block foshan/load/1/3DES block.txt --under foshan/transport/1/AES-256

    The transport key comes first, by components. What the block says of its key (usage, algorithm, mode,
    version, label) must be what KEY is; docs/operations.md has the table. A key whose block says N is not
    exported again.
    """  # noqa: D301  \b keeps click from joining the lines
    desk = KeyDesk(load_settings(**installation), passphrase_file=passphrase_file, pin_file=pin_file)
    block = file.read(MAX_BLOCK + 2).strip()
    with desk.recorded("import_block", str(key)) as facts:
        facts["under"] = str(under)
        desk.unlock(key, needed=not test)
        protection = Protection(desk.store, under)
        entry = import_block(desk.vault(key), protection, block, key, state=KeyState(state), test=test)
        facts.update(facts_of_entry(entry))
    click.echo(f"Stored / 已存入: {entry.ref}, {entry.state}, KCV {entry.kcv.hex().upper()}")


@click.command(name="export-block", short_help="Print a key as a TR-31 key block.")
@click.argument("key", callback=key_ref)
@_under
@click.option(
    "--exportability",
    type=click.Choice(EXPORTABILITIES),
    default=EXPORTABILITIES[0],
    show_default=True,
    help="What the receiver may: N not pass it on, E under a trusted key, S under any.",
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="File. [default: print it]")
@credential_options
@told_plainly
def export_key_block(
    key: KeyRef,
    *,
    under: KeyRef,
    exportability: str,
    out: Path | None,
    passphrase_file: Path | None,
    pin_file: Path | None,
    **installation: Any,
) -> None:
    """Print KEY as a TR-31 key block (version D) for the holder of the transport key (密钥块导出).

    \b
    ota keys export-block foshan/load/1/3DES --under foshan/transport/1/AES-256 --out block.txt

    Only keys of the software store that were imported as exportable leave, and only under an active transport
    key that is at least as strong. Test keys may leave too; their receiver is told by nobody but you.
    """  # noqa: D301  \b keeps click from joining the lines
    desk = KeyDesk(load_settings(**installation), passphrase_file=passphrase_file, pin_file=pin_file)
    with desk.recorded("export_block", str(key)) as facts:
        facts.update({"under": str(under), "exportability": exportability})
        if desk.vault(key) is not desk.store:
            raise SettingsError(
                "a key on a token does not leave it in a key block: use the token's own tools"
            )
        desk.unlock(key, needed=False)
        block = export_block(desk.store, Protection(desk.store, under), key, exportability=exportability)
    if out:
        out.write_text(block + "\n", encoding="ascii")
    else:
        click.echo(block)
