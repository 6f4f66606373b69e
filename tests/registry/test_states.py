from __future__ import annotations

from enum import StrEnum

import pytest

from ota.registry.states import CARD, NUMBER, CardEvent, CardState, NumberEvent, NumberState
from tests.machines import PAIR, AnyMachine, decided, pairs

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
    "frozen": {"released": "active", "alarmed": "frozen"},
}
NUMBERS = {
    "free": {"held": "held", "skipped": "retired"},
    "held": {"bound": "bound", "retired": "retired", "released": "free"},
    "bound": {"retired": "retired"},
}


@pytest.mark.parametrize(
    PAIR,
    pairs(CARD, CardState, CardEvent, CARDS) + pairs(NUMBER, NumberState, NumberEvent, NUMBERS),
)
def test_every_event_in_every_state_is_decided(
    machine: AnyMachine, state: StrEnum, event: StrEnum, expected: str | None
) -> None:
    assert decided(machine, state, event) == expected
