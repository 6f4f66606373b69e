"""Wrong rules about decisions of two people."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from ota.core.principal import Principal
from ota.sandbox.simulation.patching import replaced
from ota.service_desk import service
from ota.topup import write_offs


@contextmanager
def one_person() -> Iterator[None]:
    """Whoever may approve approves, also what is their own."""
    real = service._settle  # noqa: SLF001  a mutant reaches inside

    def settle(tx: Any, decision: Any, caller: Principal, *more: Any) -> Any:
        return real(tx, decision, replace(caller, id=f"{caller.id}-again"), *more)

    with replaced(service, _settle=settle):
        yield


@contextmanager
def any_attempt() -> Iterator[None]:
    """A proposal decides about whatever attempt is open when it is approved."""
    with replaced(write_offs, _require_same_attempt=lambda *_args: None):
        yield
