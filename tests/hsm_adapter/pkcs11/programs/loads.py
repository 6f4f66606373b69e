"""A load of the sandbox's keys, for programs whose memory nobody looks at."""

from __future__ import annotations

from ota.card.keys import Algorithm, KeyRole
from ota.hsm_adapter.software.published import sandbox_master
from tests.hsm_adapter.keyring import a_load, card_key, expected_mac2

MASTER = sandbox_master(KeyRole.LOAD, Algorithm.TDES)
KEY = card_key(KeyRole.LOAD)
LOAD = a_load(master=MASTER)
MAC2 = expected_mac2(Algorithm.TDES, LOAD, MASTER)
