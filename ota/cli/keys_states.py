"""The rest of looking after keys: the administrator, states, test keys, transcripts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final, TextIO

import click

from ota.cli.installation import installation_options, load_settings, told_plainly
from ota.cli.keys_desk import KeyDesk, credential_options, key_ref, read_passphrase
from ota.cli.keys_uses import uses_of_keys
from ota.core.clock import SystemClock
from ota.core.errors import Unauthenticated
from ota.hsm_adapter.ceremony.transcript import facts_of_entry, read_transcript
from ota.hsm_adapter.keys import KeyRef, KeyState
from ota.hsm_adapter.pkcs11.provisioning import provision_token
from ota.hsm_adapter.signing import SIGNING_FILE, Es256Signer
from ota.hsm_adapter.test_keys import provision_test_keys
from ota.settings import SettingsError

_MOST: Final = 8192
"""Characters of a transcript."""


@click.command(short_help="Appoint the key store's administrator (指定密钥管理员).")
@click.option(
    "--new-passphrase-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Read the new passphrase from this file (mode 0600) instead of asking.",
)
@credential_options
@told_plainly
def appoint(
    *,
    new_passphrase_file: Path | None,
    passphrase_file: Path | None,
    pin_file: Path | None,
    **installation: Any,
) -> None:
    """Appoint the key store's administrator, or a successor (指定密钥管理员).

    From then on the store changes only with the passphrase (12 characters or more), while servers use its keys
    without it. Compare the fingerprint that is printed with the one in `ota keys list` and in transcripts:
    another one means another administrator. The last line is for the configuration: with it, a key store of anybody
    but this administrator and lawful successors is refused. There is no way back into a store whose passphrase is lost; it is
    read, but never changed again.
    """
    desk = KeyDesk(load_settings(**installation), passphrase_file=passphrase_file, pin_file=pin_file)
    with desk.recorded("appoint", "-"):
        desk.unlock(needed=False)
        if new_passphrase_file:
            passphrase = read_passphrase(new_passphrase_file)
        else:
            passphrase = click.prompt(
                "New passphrase (hidden) / 新口令 (不回显)",
                hide_input=True,
                confirmation_prompt=True,
                err=True,
            )
        record = desk.store.appoint(passphrase)
    click.echo(f"Administrator / 管理员: {record.fingerprint}")
    click.echo(f'hsm.key_administrator = "{record.public.hex()}"')


@click.command(short_help="Move a key on in its life (密钥状态).")
@click.argument("key", callback=key_ref)
@click.argument("state", type=click.Choice([state.value for state in KeyState]))
@click.option("--yes", is_flag=True, help="Do not ask.")
@credential_options
@told_plainly
def state(
    key: KeyRef,
    state: str,
    *,
    yes: bool,
    passphrase_file: Path | None,
    pin_file: Path | None,
    **installation: Any,
) -> None:
    """Move KEY on in its life: pre-active, active, verify-only, retired (密钥状态); never back.

    \b
    pre-active   does nothing yet 预激活
    active       does everything its role allows 启用
    verify-only  checks MAC1 and TAC and opens key blocks, authorises and makes nothing 仅校验
    retired      does nothing any more 停用

    To rotate: import the next version (pre-active), let the cities' files name it, make it active, and once no
    card that needs a load has the old version make that one verify-only, later retired. Servers take a new
    state over with their next look at their HSM's health.
    """  # noqa: D301  \b keeps click from joining the lines
    settings = load_settings(**installation)
    desk = KeyDesk(settings, passphrase_file=passphrase_file, pin_file=pin_file)
    with desk.recorded("change_state", str(key)) as facts:
        before = desk.vault(key).entry(key).state
        facts["before"], facts["wanted"] = before.value, state
        users = uses_of_keys(settings).get(key)
        if users and not yes:
            click.confirm(f"{key}: {before} -> {state}; used by / 使用方: {users}. OK?", abort=True)
        desk.unlock(key, needed=False)
        desk.vault(key).change_state(key, KeyState(state))
        facts.update(facts_of_entry(desk.vault(key).entry(key)))
    click.echo(f"{key}: {before} -> {state}")


@click.command(name="provision-test", short_help="Add the sandbox's published test keys (测试密钥).")
@credential_options
@told_plainly
def provision_test(*, passphrase_file: Path | None, pin_file: Path | None, **installation: Any) -> None:
    """Add the published test keys of the sandbox that are not there yet; refused in production (测试密钥).

    Everybody knows these keys. They are marked, and an installation that holds one does not start with
    environment = production. `ota serve` does the same in a sandbox without an administrator.
    """
    desk = KeyDesk(load_settings(**installation), passphrase_file=passphrase_file, pin_file=pin_file)
    with desk.recorded("provision_test", "-") as facts:
        if desk.token:
            added = provision_token(desk.token)
        else:
            desk.unlock(needed=False)
            added = provision_test_keys(desk.store)
        facts["added"] = len(added)
    click.echo(f"{len(added)} test keys added / 已写入测试密钥 {len(added)} 个")


@click.command(short_help="Check a transcript and print what it says (仪式记录).")
@click.argument("file", type=click.File(encoding="ascii", errors="replace"))
@installation_options
@told_plainly
def transcript(file: TextIO, **installation: Any) -> None:
    """Check that this platform signed the transcript in FILE and print what it says, as JSON (仪式记录)."""
    settings = load_settings(**installation)
    if not (settings.data / SIGNING_FILE).exists():
        raise SettingsError(
            f"no signing key in {settings.data.absolute()}: name the folder of who signed with --data"
        )
    signer = Es256Signer.open(settings.data, SystemClock())
    try:
        told = read_transcript(file.read(_MOST), signer, settings.tokens.audience)
    except Unauthenticated as error:
        raise click.ClickException(
            f"{file.name}: no transcript of a key ceremony that this platform signed "
            f"(key of {settings.data.absolute()}, tokens.audience {settings.tokens.audience}) / 不是本平台签名的仪式记录"
        ) from error
    click.echo(json.dumps(told, ensure_ascii=False, indent=2))
