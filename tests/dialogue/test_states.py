from __future__ import annotations

from enum import StrEnum

import pytest

from ota.dialogue.states import SESSION, SessionEvent, SessionState
from tests.machines import PAIR, AnyMachine, decided, pairs

SESSIONS = {
    "continue": {
        "batch_sent": "continue",
        "work_finished": "done",
        "work_failed": "failed",
        "card_lost": "uncertain",
        "cancelled": "failed",
    }
}


@pytest.mark.parametrize(PAIR, pairs(SESSION, SessionState, SessionEvent, SESSIONS))
def test_every_event_in_every_state_is_decided(
    machine: AnyMachine, state: StrEnum, event: StrEnum, expected: str | None
) -> None:
    assert decided(machine, state, event) == expected
