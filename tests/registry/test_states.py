from __future__ import annotations

import pytest

from ota.registry.states import CARD, NUMBER, CardEvent, CardState, NumberEvent, NumberState
from tests.machines import Pair, decide, pairs

CARDS = {
    "active": {
        "suspended": "suspended",
        "move_started": "moving",
        "closing_started": "closing",
        "alarmed": "frozen",
    },
    "suspended": {"resumed": "active", "alarmed": "frozen"},
    "moving": {"move_finished": "active", "alarmed": "frozen"},
    "closing": {"closed": "closed", "alarmed": "frozen"},
    "frozen": {"released": "active"},
}
NUMBERS = {
    "free": {"held": "held"},
    "held": {"bound": "bound", "retired": "retired"},
    "bound": {"retired": "retired"},
}


@pytest.mark.parametrize(
    "pair",
    pairs(CARD, CardState, CardEvent, CARDS) + pairs(NUMBER, NumberState, NumberEvent, NUMBERS),
)
def test_every_event_in_every_state_is_decided(pair: Pair) -> None:
    decide(*pair)
