"""Reads callers from a file: the published ones of the sandbox, or a deployment's own."""

from __future__ import annotations

from pathlib import Path

from ota.core.configuration import Table
from ota.core.principal import CallerKind
from ota.core.values import CityCode, TerminalNumber
from ota.store.callers import Caller

_NAME = r"[A-Za-z0-9_.-]{1,64}"
_COORDINATE = r"[A-Za-z0-9_-]{43}"
_CALLBACK = r"(https://|http://(127\.0\.0\.1|\[::1\]|localhost)(:\d+)?(/|$))[!-~]{0,200}"


def read_callers(path: Path) -> list[Caller]:
    """Every caller of the file; raises ConfigurationError naming file, key and what was expected.

    ``[keys.<kid>]`` holds a public P-256 JWK (RFC 7517), ``test = true`` when its private half is published;
    each ``[[caller]]`` names one of them.
    """
    file = Table.load(path)
    table = file.table("keys")
    names = table.keys()
    keys = {kid: _key(table.table(kid), kid) for kid in names}
    callers = [_caller(each, keys) for each in file.tables("caller", at_least=1)]
    file.finish()
    return callers


def _key(table: Table, kid: str) -> tuple[dict[str, str], bool]:
    jwk = {"kty": table.text("kty", pattern="EC"), "crv": table.text("crv", pattern="P-256"), "kid": kid}
    point = {name: table.text(name, pattern=_COORDINATE, expected="32 bytes in base64url") for name in "xy"}
    return jwk | point, table.flag("test", default=False)


def _caller(table: Table, keys: dict[str, tuple[dict[str, str], bool]]) -> Caller:
    kid = table.text("key")
    if kid not in keys:
        raise table.error("key", "one of " + ", ".join(keys))
    jwk, test = keys[kid]
    kind = table.choice("kind", CallerKind)
    terminal = kind is CallerKind.TERMINAL
    return Caller(
        id=table.text("id", pattern=_NAME, expected="1 to 64 letters, digits, '_', '.' or '-'"),
        kind=kind,
        keys={kid: jwk},
        city=table.parsed("city", CityCode) if terminal or table.has("city") else None,
        terminal=table.parsed("terminal_no", TerminalNumber) if terminal else None,
        wallet=table.text("wallet") if kind is CallerKind.WALLET else None,
        roles=table.texts("roles") if kind is CallerKind.STAFF else (),
        otp_secret=table.text("otp_secret") if kind is CallerKind.STAFF else None,
        callback_url=_callback(table, kind),
        channels=tuple(table.texts("channels")) if _may_pay(kind) and table.has("channels") else None,
        sandbox=test,
    )


def _may_pay(kind: CallerKind) -> bool:
    return kind in (CallerKind.WALLET, CallerKind.TERMINAL)


def _callback(table: Table, kind: CallerKind) -> str | None:
    """Where a wallet's server listens, without a slash at its end; plain HTTP stays on this machine."""
    if kind is not CallerKind.WALLET or not table.has("callback_url"):
        return None
    wanted = "an https:// address, or http:// on this machine"
    return table.text("callback_url", pattern=_CALLBACK, expected=wanted).rstrip("/")
