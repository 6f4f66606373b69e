"""The load key of a card is verify-only: its past is still decided, nothing new is authorised, no money hangs."""

from __future__ import annotations

from typing import Any

import pytest

from ota.card.keys import KeyRole
from ota.hsm_adapter.keys import CARD_ALGORITHMS, KeyRef, KeyState
from ota.hsm_adapter.software import KeyStore
from ota.sandbox.element.card_os import Element
from ota.sandbox.element.faults import CREDIT, Instant
from tests.elements import balance, blank
from tests.phone import Conversation
from tests.platform import Platform
from tests.terminal.reader import Reader

AMOUNT = 5000
REFUSED = {"code": "key_not_usable", "next_action": "contact_service"}


def close_the_load_keys(platform: Platform) -> None:
    """As `ota keys state … verify-only`; a server takes it over with its next look at the store."""
    store = KeyStore(platform.settings.data, environment="sandbox")
    for algorithm in CARD_ALGORITHMS:
        store.change_state(KeyRef(KeyRole.LOAD, "province", 1, algorithm), KeyState.VERIFY_ONLY)
    platform.built.checks["hsm"]()


def paid_order(platform: Platform, element: Element) -> str:
    return str(platform.order_topup(platform.issue(element), AMOUNT)["order_id"])


def attempts(platform: Platform) -> list[str]:
    return [row[0] for row in platform.rows("SELECT state FROM load_attempt ORDER BY authorised_at, id")]


def problem_of(ending: dict[str, Any]) -> dict[str, Any]:
    return {name: ending["problem"][name] for name in REFUSED}


def test_a_load_is_refused_before_an_attempt_is_made_and_the_money_can_go_back(
    any_platform: Platform,
) -> None:
    order_id = paid_order(any_platform, element := blank())
    close_the_load_keys(any_platform)

    ending = any_platform.open(order_id, element).finish()
    refund = any_platform.post(f"/v1/topups/{order_id}/refund", {})

    assert (ending["state"], problem_of(ending)) == ("failed", REFUSED)
    assert ending["outcome"]["money"] == "with_platform"
    assert attempts(any_platform) == []
    assert refund.status_code == 200, refund.text
    assert any_platform.topup_state(order_id) == "refunding"


@pytest.mark.parametrize(
    ("instant", "state", "decided", "held"),
    [
        (Instant.BEFORE_WRITE, "paid", "dead", 0),
        (Instant.AFTER_WRITE, "loaded", "loaded", AMOUNT),
    ],
)
def test_what_was_authorised_before_is_still_decided(
    platform: Platform, instant: Instant, state: str, decided: str, held: int
) -> None:
    order_id = paid_order(platform, element := blank())
    element.faults.cut_inside(CREDIT, instant)
    platform.open(order_id, element).finish()
    close_the_load_keys(platform)

    platform.open(order_id, element).finish()

    assert (platform.topup_state(order_id), attempts(platform)) == (state, [decided])
    assert balance(element) == held


def test_a_tac_is_still_taken(platform: Platform) -> None:
    order_id = paid_order(platform, element := blank())
    talk: Conversation = platform.open(order_id, element)
    talk.step()
    close_the_load_keys(platform)

    ending = talk.finish()

    assert ending["outcome"]["state"] == "loaded"
    assert balance(element) == AMOUNT


def test_a_mac2_that_never_reached_the_card_is_dead_and_no_other_is_made(platform: Platform) -> None:
    order_id = paid_order(platform, element := blank())
    platform.open(order_id, element).step()
    close_the_load_keys(platform)

    ending = platform.open(order_id, element).finish()

    assert problem_of(ending) == REFUSED
    assert (platform.topup_state(order_id), attempts(platform)) == ("paid", ["dead"])


def test_a_terminal_is_told_and_the_money_stays_with_its_order(platform: Platform) -> None:
    element = blank()
    platform.issue(element)
    close_the_load_keys(platform)

    move = Reader(platform, element, "terminal").order(AMOUNT)

    assert (move["order_state"], move["money"]) == ("paid", "with_platform")
    assert problem_of(move) == REFUSED
    assert attempts(platform) == []
