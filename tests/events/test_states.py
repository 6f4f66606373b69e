from __future__ import annotations

from enum import StrEnum

import pytest

from ota.events.states import DELIVERY, DeliveryEvent, DeliveryState
from tests.machines import PAIR, AnyMachine, decided, pairs

DELIVERIES = {
    "waiting": {"acknowledged": "acknowledged", "given_up": "given_up", "no_address": "not_sent"},
    "given_up": {"armed_again": "waiting"},
}


@pytest.mark.parametrize(PAIR, pairs(DELIVERY, DeliveryState, DeliveryEvent, DELIVERIES))
def test_every_event_in_every_state_is_decided(
    machine: AnyMachine, state: StrEnum, event: StrEnum, expected: str | None
) -> None:
    assert decided(machine, state, event) == expected
