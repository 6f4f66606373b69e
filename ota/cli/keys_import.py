"""``ota keys import``: a key by the components of two or three officers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import click

from ota.cli.installation import load_settings, told_plainly
from ota.cli.keys_desk import KeyDesk, credential_options, key_ref
from ota.hsm_adapter.ceremony.ceremony import ComponentCeremony
from ota.hsm_adapter.ceremony.errors import CeremonyRefused
from ota.hsm_adapter.ceremony.transcript import facts_of, facts_of_entry
from ota.hsm_adapter.errors import TestKeysInProduction
from ota.hsm_adapter.keys import KeyRef, KeyState
from ota.hsm_adapter.ports import KeyEntry

_TRIES: Final = 3


@click.command(name="import", short_help="Import a key from the components of two or three officers.")
@click.argument("key", callback=key_ref)
@click.option(
    "--officer", "officers", multiple=True, required=True, help="Name of an officer; two or three times."
)
@click.option(
    "--minutes", type=click.IntRange(1, 60), default=15, show_default=True, help="Time limit for all."
)
@click.option("--expect-kcv", metavar="HEX", help="Check value of the whole key, if a sheet tells it.")
@click.option(
    "--state",
    type=click.Choice([KeyState.PRE_ACTIVE.value, KeyState.ACTIVE.value]),
    default=KeyState.PRE_ACTIVE.value,
    show_default=True,
    help="State of the new key; `ota keys state` moves it on.",
)
@click.option("--exportable", is_flag=True, help="Let the key leave again in a key block.")
@click.option("--test", is_flag=True, help="Mark it as a test key; refused in production.")
@credential_options
@told_plainly
def import_key(
    key: KeyRef,
    *,
    officers: tuple[str, ...],
    minutes: int,
    expect_kcv: str | None,
    passphrase_file: Path | None,
    pin_file: Path | None,
    **options: Any,
) -> None:
    """Import KEY from the components of two or three officers (分量导入).

    \b
    ota keys import province/load/2/3DES --officer Chen --officer Liang
    ota keys import foshan/transport/1/AES-256 --officer Chen --officer Liang --officer Huang --state active

    Each officer in turn enters a component, which is as long as the key: 32 hexadecimal digits (AES-192: 48,
    AES-256: 64), grouped if one likes. Nothing is shown but its check value (KCV: the first three bytes of
    zeros, with AES of 01-bytes, enciphered under it), to be compared with the officer's sheet. The key is the
    XOR of all components. After the last one the key's own check value is shown, and the key is stored when
    the officers agree. A weak component, two equal ones, a key with equal halves, a weak key and one
    that is published are refused. After the time limit everything entered is wiped.

    A transcript of who gave what when, in check values, is signed by the platform and put into
    DATA/ceremonies; `ota keys transcript` checks it.
    """  # noqa: D301  \b keeps click from joining the lines
    installation = {name: options.pop(name) for name in ("config", "data", "environment")}
    desk = KeyDesk(load_settings(**installation), passphrase_file=passphrase_file, pin_file=pin_file)
    with (
        desk.recorded("import_by_components", str(key)) as facts,
        ComponentCeremony(key, officers, desk.clock, timedelta(minutes=minutes)) as ceremony,
    ):
        try:
            desk.unlock(key, needed=not options["test"])
            _welcome(ceremony, minutes)
            entry = _hold(desk, ceremony, expect_kcv, **options)
        finally:
            facts.update(facts_of(ceremony))
        facts.update(facts_of_entry(entry))
    click.echo(f"Stored / 已存入: {entry.ref}, {entry.state}, KCV {entry.kcv.hex().upper()}")


def _welcome(ceremony: ComponentCeremony, minutes: int) -> None:
    names = ", ".join(ceremony.officers)
    click.echo(f"Key ceremony for {ceremony.ref}: {names}; {minutes} minutes.")
    click.echo(f"密钥仪式 {ceremony.ref}: {names}; 限时 {minutes} 分钟。")


def _hold(
    desk: KeyDesk,
    ceremony: ComponentCeremony,
    expect_kcv: str | None,
    *,
    test: bool,
    state: str,
    exportable: bool,
) -> KeyEntry:
    if test and desk.settings.environment == "production":
        raise TestKeysInProduction  # before anybody has typed anything
    for number, officer in enumerate(ceremony.officers, start=1):
        title = f"{number}/{len(ceremony.officers)} {officer}"
        _persistently(lambda title=title: _take(ceremony, title))  # type: ignore[misc]
    kcv = ceremony.kcv().hex().upper()
    click.echo(f"KCV of the key / 密钥校验值: {kcv}")
    if expect_kcv is not None and kcv != expect_kcv.upper():
        raise CeremonyRefused(
            f"The key's check value is {kcv}, {expect_kcv} was expected",
            f"密钥校验值为 {kcv}, 应为 {expect_kcv}",
        )
    click.confirm("Store the key? / 存入密钥?", abort=True)
    vault = desk.vault(ceremony.ref)
    return ceremony.store(vault, test=test, state=KeyState(state), exportable=exportable)


def _take(ceremony: ComponentCeremony, title: str) -> None:
    text = click.prompt(f"{title}: component (hidden) / 分量 (不回显)", hide_input=True)
    given = ceremony.give(text)
    click.echo(f"{title}: KCV {given.kcv.hex().upper()}")
    if not click.confirm("Is this the KCV on the sheet? / 与分量单上的校验值一致?"):
        ceremony.take_back()
        raise CeremonyRefused("The component is not the one of the sheet", "输入的分量与分量单不符")


def _persistently(step: Callable[[], None]) -> None:
    """Let an officer try again after a slip, a few times."""
    for left in reversed(range(_TRIES)):
        try:
            step()
        except CeremonyRefused as slip:
            if not left:
                raise
            click.echo(f"{slip} {slip.message['zh-CN']}", err=True)
        else:
            return
