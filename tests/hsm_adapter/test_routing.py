from __future__ import annotations

import pytest

from ota.core.errors import InvalidValue, Refused
from ota.core.values import CardNumber
from ota.hsm_adapter.ports import CardAuthority
from ota.hsm_adapter.routing import PROVINCE, HsmOffice, Routing
from tests.hsm_adapter.keyring import an_hsm

HSM, HOST = an_hsm(), an_hsm()
GUANGZHOU = CardNumber("3104870312345678906")
FOSHAN = CardNumber("3104870712345678906")


class Host:
    """A city's host that remembers what it was addressed about."""

    def __init__(self) -> None:
        self.addressed: list[tuple[str, str | None]] = []

    def authority(self, card: CardNumber, load_id: str | None) -> CardAuthority:
        self.addressed.append((card.digits, load_id))
        return HOST


def name_of(card: CardNumber) -> str:
    if not card.digits.startswith("310487"):
        raise Refused
    return "foshan" if card.digits.startswith("31048707") else PROVINCE


def test_a_card_is_routed_to_its_authority() -> None:
    routing = Routing(name_of, [PROVINCE, "foshan"], {PROVINCE: HsmOffice(HSM), "foshan": Host()})

    assert routing.authority(GUANGZHOU) is HSM
    assert routing.authority(FOSHAN) is HOST


def test_a_host_is_told_which_load_it_is_about() -> None:
    host = Host()
    routing = Routing(name_of, [], {PROVINCE: HsmOffice(HSM), "foshan": host})

    routing.authority(FOSHAN, "att_1")
    routing.authority(FOSHAN)

    assert host.addressed == [(FOSHAN.digits, "att_1"), (FOSHAN.digits, None)]


def test_an_authority_that_nobody_is_shows_at_start() -> None:
    with pytest.raises(InvalidValue, match="foshan"):
        Routing(name_of, [PROVINCE, "foshan"], {PROVINCE: HsmOffice(HSM)})


def test_a_card_that_belongs_to_nobody_is_refused() -> None:
    routing = Routing(name_of, [PROVINCE], {PROVINCE: HsmOffice(HSM)})

    with pytest.raises(Refused):
        routing.authority(CardNumber("3104100012345678906"))
