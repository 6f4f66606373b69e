from __future__ import annotations

import pytest

from ota.dialogue.states import SESSION, SessionEvent, SessionState
from tests.machines import Pair, decide, pairs

SESSIONS = {
    "continue": {
        "batch_sent": "continue",
        "work_finished": "done",
        "work_failed": "failed",
        "card_lost": "uncertain",
        "cancelled": "failed",
    }
}


@pytest.mark.parametrize("pair", pairs(SESSION, SessionState, SessionEvent, SESSIONS))
def test_every_event_in_every_state_is_decided(pair: Pair) -> None:
    decide(*pair)
