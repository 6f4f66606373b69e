from __future__ import annotations

import pytest

from tests.elements import blank, collected
from tests.platform import Platform

VARIANTS = [("02", i, 128) for i in (0x15, 0x55)] + [
    ("03", i, bits) for i in (0x00, 0x10, 0x60, 0x70) for bits in (128, 192, 256)
]


@pytest.mark.parametrize(("scp", "i", "bits"), VARIANTS)
def test_a_card_is_issued_through_every_kind_of_channel(
    platform: Platform, scp: str, i: int, bits: int
) -> None:
    element = blank(scp, i, bits)
    order = platform.order_card(element)

    talk = platform.open(order["order_id"], element, precollected=collected(element))
    ending = talk.finish()

    assert ending["state"] == "done", ending
    assert platform.issuance_state(order["order_id"]) == "active"
