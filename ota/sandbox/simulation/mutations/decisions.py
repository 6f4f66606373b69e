"""Wrong rules about decisions of two people, and the trail that tells of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from ota.core.principal import Principal
from ota.sandbox.simulation.patching import replaced
from ota.service_desk import service
from ota.store import audit
from ota.store.audit import GENESIS, Entry, Head
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


@contextmanager
def unchained() -> Iterator[None]:
    """Each entry of the trail is sealed for itself."""
    real_append, real_digest = audit.append, audit.digest_of

    def append(tx: Connection, entry: Entry) -> Head:
        alone = replaced(audit, digest_of=lambda of, position, _previous: real_digest(of, position, GENESIS))
        with alone:
            return real_append(tx, entry)

    with replaced(audit, append=append):
        yield
