"""What the audit trail knows of a card's way: which key served which order, for whom, and nothing more."""

from __future__ import annotations

import json

from tests.elements import blank
from tests.platform import Platform


def test_the_trail_names_key_and_order_and_holds_no_data(platform: Platform) -> None:
    element = blank()
    issued = platform.order_card(element)
    assert platform.open(issued["order_id"], element).finish()["state"] == "done"
    loaded = platform.order_topup(issued["card_no"])
    assert platform.open(loaded["order_id"], element).finish()["state"] == "done"

    platform.built.key_uses.flush()

    (row,) = platform.rows("SELECT actor, action, data FROM audit WHERE stream = 'keys'")
    uses = json.loads(row.data)["uses"]
    served = {(use["order"], use["operation"], use["key"]) for use in uses}
    assert (row.actor, row.action) == ("platform", "keys_used")
    assert {
        (issued["order_id"], "open_channel", "platform/sd/48/AES-128"),
        (issued["order_id"], "export_card_key", "province/load/1/3DES"),
        (loaded["order_id"], "authorise_load", "province/load/1/3DES"),
        (loaded["order_id"], "verify_tac", "province/tac/1/3DES"),
    } <= served
    assert {use["who"] for use in uses} == {"wallet"}
    assert {name for use in uses for name in use} == {"who", "order", "operation", "key", "outcome", "count"}
    assert issued["card_no"][-12:] not in row.data
