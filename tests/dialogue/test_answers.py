"""What a batch tells the phone besides its commands."""

from __future__ import annotations

import orjson
import pytest

from ota.card.batch import BatchCommand
from ota.card.status import StatusPattern
from ota.dialogue.answers import next_batch
from ota.dialogue.element import Capabilities
from ota.dialogue.plan import Progress, send

STEP = send(
    (BatchCommand(bytes.fromhex("00A4040000"), StatusPattern("9000"), "SELECT"),),
    {},
    Progress("look", 0, "Looking", "读取中"),
)


@pytest.mark.parametrize(
    ("idle_limit_ms", "deadline_ms"),
    [(1_000, 800), (9_000, 7_200), (15_000, 12_000), (15_001, 12_000), (600_000, 12_000)],
)
def test_a_batch_is_due_before_the_channel_lets_the_element_go(idle_limit_ms: int, deadline_ms: int) -> None:
    answer = next_batch("ses_1", 1, STEP, Capabilities(idle_limit_ms=idle_limit_ms))

    assert orjson.loads(answer)["deadline_ms"] == deadline_ms
