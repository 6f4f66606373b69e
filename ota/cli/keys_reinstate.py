"""``ota keys reinstate``: the way out when an older copy of the key store is all that is left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ota.cli.installation import load_settings, told_plainly
from ota.cli.keys_desk import KeyDesk, credential_options


@click.command(short_help="Make an older copy of the key store the one that counts.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@credential_options
@told_plainly
def reinstate(*, yes: bool, passphrase_file: Path | None, pin_file: Path | None, **installation: Any) -> None:
    """Make an older copy of the key store, put back from a backup, the newest one (恢复旧版密钥库).

    The database remembers the newest generation of the store, and everything refuses an older one: a state that was
    changed since, such as retired, would be undone in silence. Where the newer store is really lost, its administrator
    says so with this command and the passphrase. Afterwards repeat what was done since the backup; the transcripts and
    `ota audit` tell what that was.
    """
    settings = load_settings(**installation)
    desk = KeyDesk(settings, passphrase_file=passphrase_file, pin_file=pin_file, older_taken=True)
    with desk.recorded("reinstate", "-") as facts:
        facts["taken"] = taken = desk.store.generation
        desk.unlock(needed=False)
        if not yes:
            click.confirm(
                f"Changes after generation {taken} are lost / 第 {taken} 版之后的变更将丢失. OK?", abort=True
            )
        desk.store.reinstate()
    click.echo(f"generation / 版次: {taken} -> {desk.store.generation}")
