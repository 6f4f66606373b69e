from __future__ import annotations

from enum import StrEnum

import pytest

from ota.issuance.states import FINAL, ISSUANCE, IssuanceEvent, IssuanceState
from tests.machines import PAIR, AnyMachine, decided, pairs

ORDERS = {
    "requested": {"number_held": "number_held", "cancelled": "abandoned"},
    "number_held": {
        "channel_opened": "channel_open",
        "contact_lost": "uncertain",
        "cancelled": "abandoned",
        "given_up": "abandoned",
    },
    "channel_open": {
        "given_up": "abandoned",
        "applications_installed": "installed",
        "contact_lost": "uncertain",
        "roll_back_started": "rolling_back",
    },
    "installed": {
        "given_up": "abandoned",
        "personalisation_done": "personalised",
        "contact_lost": "uncertain",
        "roll_back_started": "rolling_back",
    },
    "personalised": {
        "given_up": "abandoned",
        "read_back_verified": "active",
        "contact_lost": "uncertain",
        "roll_back_started": "rolling_back",
    },
    "uncertain": {
        "given_up": "abandoned",
        "read_back_verified": "active",
        "channel_opened": "channel_open",
        "roll_back_started": "rolling_back",
    },
    "rolling_back": {"element_cleared": "abandoned", "given_up": "abandoned"},
}


@pytest.mark.parametrize(PAIR, pairs(ISSUANCE, IssuanceState, IssuanceEvent, ORDERS))
def test_every_event_in_every_state_is_decided(
    machine: AnyMachine, state: StrEnum, event: StrEnum, expected: str | None
) -> None:
    assert decided(machine, state, event) == expected


@pytest.mark.parametrize("state", IssuanceState)
def test_an_order_is_final_where_nothing_can_happen_any_more(state: IssuanceState) -> None:
    assert (state in FINAL) == (not ISSUANCE.events(state))
