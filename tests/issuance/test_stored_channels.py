"""Somebody who writes to the database changes what a session keeps of its channel."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from ota.sandbox.element.card_os import Element
from tests.elements import blank
from tests.phone import Conversation
from tests.platform import Platform, problem

Kept = dict[str, Any]


def half_built(platform: Platform, element: Element) -> tuple[str, Conversation]:
    """An issuance whose channel is open and whose commands are on their way to the element."""
    order = platform.order_card(element)
    talk = platform.open(order["order_id"], element)
    assert talk.step().status_code == 200
    return order["order_id"], talk


def kept_by(platform: Platform, session_id: str) -> Kept:
    ((text,),) = platform.rows("SELECT context FROM session WHERE id = :id", id=session_id)
    kept: Kept = json.loads(text)
    return kept


def rewrite(platform: Platform, session_id: str, change: Callable[[Kept], None]) -> None:
    kept = kept_by(platform, session_id)
    change(kept)
    platform.change("UPDATE session SET context = :kept WHERE id = :id", kept=json.dumps(kept), id=session_id)


def in_channel(**values: object) -> Callable[[Kept], None]:
    def change(kept: Kept) -> None:
        channel = json.loads(kept["channel"]) | values
        kept["channel"] = json.dumps(channel)

    return change


def first_ticket_again(kept: Kept) -> None:
    kept["tickets"] = kept["tickets"][:1] * len(kept["tickets"])


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(in_channel(counter=0), id="counter"),
        pytest.param(in_channel(chaining="00" * 16), id="chaining"),
        pytest.param(in_channel(level=1), id="level"),
        pytest.param(in_channel(seal=""), id="no seal"),
    ],
)
def test_a_session_with_a_changed_channel_is_not_continued(
    platform: Platform, change: Callable[[Kept], None]
) -> None:
    element = blank("03", 0x60)
    order_id, talk = half_built(platform, element)
    rewrite(platform, talk.session_id, change)
    report = talk.run()

    answer = talk.hand_in(report)

    assert problem(answer) == (422, "secure_channel_altered")
    assert platform.issuance_state(order_id) == "number_held"


def test_an_answer_is_not_checked_by_another_commands_ticket(platform: Platform) -> None:
    element = blank("03", 0x60)
    order_id, talk = half_built(platform, element)
    rewrite(platform, talk.session_id, first_ticket_again)

    ending = talk.step().json

    assert ending is not None
    assert ending["problem"]["code"] == "response_mac_wrong", ending
    assert platform.issuance_state(order_id) != "active"


def test_the_channel_of_another_order_is_not_taken(platform: Platform) -> None:
    _, mine = half_built(platform, blank("03", 0x60))
    _, other = half_built(platform, blank("03", 0x60, seed="another"))
    theirs = kept_by(platform, other.session_id)["channel"]
    rewrite(platform, mine.session_id, lambda kept: kept.update(channel=theirs))

    answer = mine.hand_in(mine.run())

    assert problem(answer) == (422, "secure_channel_altered")


def test_a_new_session_makes_the_card_all_the_same(platform: Platform) -> None:
    element = blank("03", 0x60)
    order_id, talk = half_built(platform, element)
    rewrite(platform, talk.session_id, in_channel(counter=0))
    talk.hand_in(talk.run())

    ending = platform.open(order_id, element).finish()

    assert ending["state"] == "done", ending
