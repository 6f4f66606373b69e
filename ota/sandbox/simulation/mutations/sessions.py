"""Wrong rules about proofs and conversations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from ota.core.principal import Principal
from ota.dialogue import conversations
from ota.dialogue.service import Message, Sessions
from ota.sandbox.simulation.patching import replaced
from ota.store.replay import ReplayGuard


@contextmanager
def replay_store_off() -> Iterator[None]:
    """Nobody remembers which proofs were used."""
    with replaced(ReplayGuard, use=lambda *_args, **_more: None):
        yield


@contextmanager
def seq_unchecked() -> Iterator[None]:
    """Whatever number a report bears, it is taken for the batch that waits."""
    real = Sessions.report

    def report(self: Sessions, caller: Principal, session_id: str, message: Message) -> bytes:
        with self._store.read() as tx:
            session = conversations.find(tx, session_id)
        if session is not None:
            message = replace(message, seq=session.seq)
        return real(self, caller, session_id, message)

    with replaced(Sessions, report=report):
        yield
