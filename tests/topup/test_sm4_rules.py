"""What nobody has seen of an SM4 purse is a setting, and follows the card."""

from __future__ import annotations

import pytest

from ota import wiring
from ota.hsm_adapter.software import EPurseRules, Sm4SessionRule
from ota.sandbox.element.purse_crypto import Algorithm
from ota.settings import load
from tests.elements import balance, blank
from tests.platform import MakePlatform


@pytest.mark.parametrize(("folded", "exchanges"), [(True, 2), (False, 3)])
def test_the_tac_of_an_sm4_load_is_checked_by_the_rule_that_is_set(
    make_platform: MakePlatform, *, folded: bool, exchanges: int
) -> None:
    """A TAC by another rule is not believed, and the card is asked once more."""
    platform = make_platform({"base.toml": [("sm4_tac_xor = false", "sm4_tac_xor = true")]})
    element = blank(purse_algorithm=Algorithm.SM4, sm4_tac_xor=folded)
    order = platform.order_topup(platform.issue(element))
    talk = platform.open(order["order_id"], element)

    talk.finish()

    assert len(talk.reports) == exchanges
    assert balance(element) == 5000


def test_the_settings_say_how_sm4_loads_are_computed() -> None:
    shipped = wiring.purse_rules(load(environ={}))
    changed = wiring.purse_rules(
        load(environ={"OTA_HSM_SM4_SESSION": "repeat", "OTA_HSM_SM4_TAC_XOR": "true"})
    )

    assert shipped == EPurseRules(Sm4SessionRule.COMPLEMENT, sm4_tac_xor=False)
    assert changed == EPurseRules(Sm4SessionRule.REPEAT, sm4_tac_xor=True)
