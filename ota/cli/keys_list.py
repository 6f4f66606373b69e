"""``ota keys list``: the catalogue with who uses what, and what is missing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from ota.cli.installation import load_settings, told_plainly
from ota.cli.keys_desk import KeyDesk, looking_options, token_keys
from ota.cli.keys_uses import Uses, uses_of_keys
from ota.hsm_adapter.keys import KeyRef
from ota.hsm_adapter.ports import KeyEntry
from ota.hsm_adapter.software.administration import AdministratorRecord
from ota.hsm_adapter.software.kek import KEK_FILE
from ota.settings import Settings

_NOBODY = Uses()


@click.command(name="list", short_help="Show all keys by their names, and which are missing.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print one object: administrator, administrator_key, generation, keys, missing.",
)
@looking_options
@told_plainly
def list_keys(*, as_json: bool, pin_file: Path | None, **installation: Any) -> None:
    """Show names, states, check values and test marks of all keys, which cities and security domains use them,
    and which keys the configuration names that are not there. No key is shown: there is no command that does.

    A name is owner/role/version/algorithm, such as province/load/1/3DES.
    """  # noqa: D205  click shows the first paragraph in lists of commands
    settings = load_settings(**installation)
    found, uses = _found(settings, pin_file), uses_of_keys(settings)
    entries, administrator = found.entries, found.administrator
    there = {entry.ref for entry in entries}
    missing = sorted((ref for ref in uses if ref not in there), key=str)
    if as_json:
        listed = {
            "administrator": administrator.fingerprint if administrator else None,
            "administrator_key": administrator.public.hex() if administrator else None,
            "generation": found.generation,
            "keys": [
                _fields(entry) | {"used_by": uses.get(entry.ref, _NOBODY).to_json()} for entry in entries
            ],
            "missing": [_name(ref) | {"used_by": uses[ref].to_json()} for ref in missing],
        }
        click.echo(json.dumps(listed, ensure_ascii=False))
        return
    named = administrator.fingerprint if administrator else "none / 未指定"
    if administrator:
        click.echo(f'hsm.key_administrator = "{administrator.public.hex()}"')
    click.echo(f"administrator / 管理员: {named}, generation / 版次: {found.generation}")
    _show(list(entries), missing, uses)


@dataclass(frozen=True, slots=True)
class _Found:
    """What an installation has."""

    entries: Sequence[KeyEntry]
    administrator: AdministratorRecord | None = None
    generation: int = 0


def _found(settings: Settings, pin_file: Path | None) -> _Found:
    """Look at the keys; where nobody has put one yet, nothing is made by looking."""
    if not (settings.data / KEK_FILE).exists():
        click.echo(f"no key store in {settings.data.absolute()} / 该目录中没有密钥库", err=True)
        on_token = token_keys(settings, pin_file)
        return _Found(on_token.entries() if on_token else ())
    desk = KeyDesk(settings, pin_file=pin_file, looking=True)
    return _Found(desk.entries(), desk.store.administrator, desk.store.generation)


def _show(entries: list[KeyEntry], missing: list[KeyRef], uses: Mapping[KeyRef, Uses]) -> None:
    table = Table("key 密钥", "state 状态", "KCV 校验值", "mark 标记", "used by 使用方", box=None)
    for entry in entries:
        marks = ("test" * entry.test, "stays" * (not entry.exportable))
        used_by = str(uses.get(entry.ref, ""))
        table.add_row(
            str(entry.ref), entry.state, entry.kcv.hex().upper(), " ".join(filter(None, marks)), used_by
        )
    for ref in missing:
        table.add_row(str(ref), "[red]missing 缺失", "-", "", str(uses[ref]))
    Console(width=max(110, Console().width), highlight=False).print(table)


def _name(ref: KeyRef) -> dict[str, Any]:
    return {
        "name": str(ref),
        "role": ref.role.value,
        "issuer": ref.issuer,
        "version": ref.version,
        "algorithm": ref.algorithm.value,
    }


def _fields(entry: KeyEntry) -> dict[str, Any]:
    return _name(entry.ref) | {
        "state": entry.state.value,
        "kcv": entry.kcv.hex().upper(),
        "test": entry.test,
        "exportable": entry.exportable,
    }
