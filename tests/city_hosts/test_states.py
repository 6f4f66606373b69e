from __future__ import annotations

from enum import StrEnum

import pytest

from ota.city_hosts.states import GRANT, HOSTED, GrantEvent, GrantState, HostedEvent, HostedState
from tests.machines import PAIR, AnyMachine, decided, pairs

LOADS = {
    "asked": {
        "granted": "granted",
        "refused": "refused",
        "not_sent": "unheard",
        "withdrawn": "voiding",
        "forgotten": "granted",
    },
    "granted": {
        "withdrawn": "voiding",
        "proven": "confirming",
        "confirm_taken": "confirmed",
        "taken_back": "voiding",
    },
    "voiding": {"void_taken": "void", "contradicted": "disputed"},
    "confirming": {"confirm_taken": "confirmed", "contradicted": "disputed", "taken_back": "voiding"},
    "confirmed": {"taken_back": "voiding"},
    "void": {"contradicted": "disputed"},
}
GRANTS = {
    "granted": {"tac_verified": "loaded", "voided": "void"},
    "void": {"voided": "void"},
    "loaded": {"tac_verified": "loaded"},
}


@pytest.mark.parametrize(
    PAIR,
    pairs(HOSTED, HostedState, HostedEvent, LOADS) + pairs(GRANT, GrantState, GrantEvent, GRANTS),
)
def test_every_event_in_every_state_is_decided(
    machine: AnyMachine, state: StrEnum, event: StrEnum, expected: str | None
) -> None:
    assert decided(machine, state, event) == expected


def test_a_mac2_is_passed_on_or_void_and_never_both() -> None:
    after_a_void = {
        HOSTED.table.get((state, event))
        for state in (HostedState.VOIDING, HostedState.VOID, HostedState.DISPUTED)
        for event in HostedEvent
    }

    assert after_a_void == {None, HostedState.VOID, HostedState.DISPUTED}
