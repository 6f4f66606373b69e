"""How a command of the sandbox ends: an object for machines or a few lines for people; exit 1 unless all is well."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import click
from rich.console import Console
from rich.markup import escape

from ota.core.errors import OtaError
from ota.sandbox.api import Refused
from ota.sandbox.batch import BatchRefused
from ota.sandbox.connection import Unreachable
from ota.sandbox.demo import DemoFailed
from ota.sandbox.discovery import ElementUnknown
from ota.sandbox.face import NotReadable
from ota.sandbox.phone import Vanished
from ota.sandbox.private_server import ServerFailed
from ota.sandbox.terminal import CardRefused
from ota.sandbox.transport import CardGone
from ota.settings import SettingsError

_CODES: Final[Mapping[type[Exception], tuple[str, str]]] = {
    Unreachable: ("server_unreachable", "look whether the server runs, then resume"),
    CardGone: ("card_gone", "put the card back, then resume"),
    NotReadable: ("card_not_readable", "none"),
    CardRefused: ("card_refused", "none"),
    ElementUnknown: ("element_unknown", "none"),
    BatchRefused: ("batch_refused", "resume"),
    Vanished: ("vanished", "resume"),
    DemoFailed: ("demo_failed", "none"),
    ServerFailed: ("server_failed", "none"),
    SettingsError: ("settings_wrong", "none"),
}
"""What is not a problem of the platform's, by its code and what to do next."""

_KNOWN: Final[tuple[type[Exception], ...]] = (*_CODES, Refused, OtaError)


class Outcome(Protocol):
    """What a command found out."""

    @property
    def ok(self) -> bool:
        """Whether all is well."""
        ...

    def to_json(self) -> dict[str, Any]:
        """Its fields."""
        ...


def finish(work: Callable[[], Outcome], console: Console, *, as_json: bool) -> None:
    """Do the work and tell how it ended; exit 1 unless it ended well."""
    try:
        outcome = work()
    except _KNOWN as error:
        _tell(failure(error), console, as_json=as_json)
        raise click.exceptions.Exit(1) from None
    _tell(outcome.to_json(), console, as_json=as_json)
    if not outcome.ok:
        raise click.exceptions.Exit(1)


def failure(error: Exception) -> dict[str, Any]:
    """The object that stands for a failure."""
    problem = _problem(error)
    return {"ok": False, "state": problem["code"], "problem": problem}


def _problem(error: Exception) -> dict[str, Any]:
    if isinstance(error, Refused):
        return {**error.problem, "code": error.code, "status": error.status}
    if isinstance(error, OtaError):
        return {"code": error.problem_code, "detail": str(error), "next_action": error.action.value}
    code, next_action = _CODES[type(error)]
    return {"code": code, "detail": str(error), "next_action": next_action}


def _tell(view: Mapping[str, Any], console: Console, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(view, ensure_ascii=False))
        return
    mark = "[bold green]✓ all is well[/]" if view.get("ok", True) else "[bold red]✗ not done[/]"
    console.print(mark)
    _tell_fields(view, console)
    if view.get("problem"):
        problem = view["problem"]
        detail = problem.get("detail") or problem.get("message", {}).get("en", "")
        console.print(f"[red]{escape(str(problem['code']))}[/]: {escape(str(detail))}")
        console.print(f"next: {escape(str(problem.get('next_action', 'none')))}")


def _tell_fields(view: Mapping[str, Any], console: Console) -> None:
    """One line each, without blanks at its end: people copy them."""
    left_out = ("ok", "problem", "outcome", "receipt", "orders")
    shown = {name: value for name, value in view.items() if value is not None and name not in left_out}
    width = max(map(len, shown), default=0)
    for name, value in shown.items():
        console.print(f"[dim]{name:<{width}}[/]  {escape(_shown(name, value))}", soft_wrap=True)


def _shown(name: str, value: object) -> str:
    if name.endswith("_fen") and isinstance(value, int):
        return f"{value} ({value / 100:.2f} yuan)"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
