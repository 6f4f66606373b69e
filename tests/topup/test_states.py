from __future__ import annotations

from enum import StrEnum

import pytest

from ota.topup.states import (
    ATTEMPT,
    LIVE,
    REFUND,
    TOPUP,
    AttemptEvent,
    AttemptState,
    RefundEvent,
    RefundState,
    TopupEvent,
    TopupState,
)
from tests.machines import PAIR, AnyMachine, decided, pairs

ORDERS = {
    "created": {"payment_taken": "paid", "cancelled": "closed"},
    "closed": {"payment_taken": "paid"},
    "paid": {
        "load_authorised": "loading",
        "refund_started": "refunding",
        "integrity_broken": "held",
        "database_restored": "held",
    },
    "loading": {
        "load_proven": "loaded",
        "load_disproven": "paid",
        "load_in_doubt": "uncertain",
        "integrity_broken": "held",
        "database_restored": "held",
    },
    "uncertain": {
        "load_proven": "loaded",
        "load_disproven": "paid",
        "written_off": "written_off",
        "refund_decided": "refunding",
        "integrity_broken": "held",
        "database_restored": "held",
    },
    "refunding": {
        "refund_done": "refunded",
        "refund_failed": "paid",
        "refund_failed_unproven": "held",
    },
    "held": {
        "released": "uncertain",
        "found_unused": "paid",
        "load_proven": "loaded",
        "load_disproven": "paid",
        "refund_decided": "refunding",
        "written_off": "written_off",
    },
    "loaded": {"confirmation_reversed": "paid"},
}
ATTEMPTS = {
    "authorised": {"proven": "loaded", "disproven": "dead", "silent": "uncertain", "decided": "decided"},
    "uncertain": {"proven": "loaded", "disproven": "dead", "decided": "decided"},
    "decided": {"proven": "loaded", "disproven": "dead", "given_up": "given_up"},
    "loaded": {"confirmation_reversed": "dead"},
    "dead": {"seen_after_all": "loaded"},
}
REFUNDS = {
    "requested": {"sent": "sent", "paid_by_hand": "done"},
    "sent": {"silent": "unknown", "taken": "sent", "confirmed": "done", "refused": "failed"},
    "unknown": {
        "taken": "sent",
        "confirmed": "done",
        "refused": "failed",
        "sent_again": "sent",
        "paid_by_hand": "done",
    },
    "failed": {"started_again": "requested"},
}


@pytest.mark.parametrize(
    PAIR,
    pairs(TOPUP, TopupState, TopupEvent, ORDERS)
    + pairs(ATTEMPT, AttemptState, AttemptEvent, ATTEMPTS)
    + pairs(REFUND, RefundState, RefundEvent, REFUNDS),
)
def test_every_event_in_every_state_is_decided(
    machine: AnyMachine, state: StrEnum, event: StrEnum, expected: str | None
) -> None:
    assert decided(machine, state, event) == expected


@pytest.mark.parametrize("state", AttemptState)
def test_an_attempt_is_live_as_long_as_evidence_can_still_decide_it(state: AttemptState) -> None:
    assert (state in LIVE) == ATTEMPT.allows(state, AttemptEvent.PROVEN)


def test_nothing_leaves_a_refunded_or_written_off_order() -> None:
    ends = (TopupState.REFUNDED, TopupState.WRITTEN_OFF)

    assert not any(TOPUP.events(state) for state in ends)


def test_a_loaded_order_is_left_by_a_reversed_confirmation_only() -> None:
    assert set(TOPUP.events(TopupState.LOADED)) == {TopupEvent.CONFIRMATION_REVERSED}
