from __future__ import annotations

from dataclasses import replace

import pytest

from ota.card.keys import Algorithm, KeyRole
from ota.core.errors import InvalidValue
from ota.core.values import CardNumber, CityCode, Fen
from ota.hsm_adapter.errors import KeyUnknown
from ota.hsm_adapter.routing import (
    AmountOutsideLimits,
    CardOutsideProvince,
    CityNotLive,
    CityRoute,
    KeyVersions,
    Routing,
)
from tests.hsm_adapter.keyring import an_hsm

PROVINCE = an_hsm()
FOSHAN_HOST = an_hsm()
AUTHORITIES = {"province": PROVINCE, "foshan": FOSHAN_HOST}
GUANGZHOU = CityRoute(
    prefix="31048703",
    city=CityCode("5810"),
    authority="province",
    live=True,
    key_issuer="province",
    path=("02205810FFFFFFFF", "{card_factor}"),
    versions={Algorithm.TDES: (KeyVersions(1, 3), KeyVersions(2, 4)), Algorithm.SM4: (KeyVersions(1, 1),)},
    min_load=Fen(100),
    max_load=Fen(100000),
)
FOSHAN = replace(GUANGZHOU, prefix="31048707", city=CityCode("5880"), authority="foshan")
BLOCK = replace(FOSHAN, prefix="3104870355", within="31048703")
CARD = CardNumber("3104870312345678906")


def test_a_card_is_routed_to_its_citys_authority() -> None:
    routing = Routing([GUANGZHOU, FOSHAN], AUTHORITIES)

    assert routing.find(CARD).authority is PROVINCE
    assert routing.find(CARD).city == CityCode("5810")
    assert routing.find(CardNumber("3104870712345678906")).authority is FOSHAN_HOST


def test_the_longest_prefix_wins() -> None:
    routing = Routing([GUANGZHOU, BLOCK], AUTHORITIES)

    assert routing.find(CardNumber("3104870355345678906")).city == CityCode("5880")
    assert routing.find(CARD).city == CityCode("5810")


def test_a_card_outside_the_province_is_refused_without_its_number() -> None:
    with pytest.raises(CardOutsideProvince) as refusal:
        Routing([GUANGZHOU], AUTHORITIES).find(CardNumber("3104100012345678906"))

    assert "12345678906" not in str(refusal.value)


def test_a_city_that_is_not_live_is_refused() -> None:
    with pytest.raises(CityNotLive) as refusal:
        Routing([replace(GUANGZHOU, live=False)], AUTHORITIES).find(CARD)

    assert refusal.value.details == {"city": "5810"}


@pytest.mark.parametrize("amount", [0, 99, 100001])
def test_an_amount_outside_the_limits_is_refused(amount: int) -> None:
    route = Routing([GUANGZHOU], AUTHORITIES).find(CARD)

    route.check_amount(Fen(100))
    route.check_amount(Fen(100000))
    with pytest.raises(AmountOutsideLimits, match="100 and 100000"):
        route.check_amount(Fen(amount))


def test_the_stated_version_names_the_keys() -> None:
    route = Routing([GUANGZHOU], AUTHORITIES).find(CARD)

    load, second, tac = (
        route.load_key(Algorithm.TDES, 2),
        route.load_key(Algorithm.TDES, 2, second=True),
        route.tac_key(Algorithm.TDES, 2),
    )

    assert [(key.ref.role, key.ref.version) for key in (load, second, tac)] == [
        (KeyRole.LOAD, 2),
        (KeyRole.LOAD_2, 2),
        (KeyRole.TAC, 4),
    ]
    assert load.path == (bytes.fromhex("02205810FFFFFFFF"), bytes.fromhex("4870312345678906"))


@pytest.mark.parametrize(
    ("algorithm", "version"), [(Algorithm.TDES, 3), (Algorithm.SM4, 2), (Algorithm.AES128, 1)]
)
def test_another_version_or_algorithm_than_the_citys_is_unknown(algorithm: Algorithm, version: int) -> None:
    route = Routing([GUANGZHOU], AUTHORITIES).find(CARD)

    with pytest.raises(KeyUnknown):
        route.load_key(algorithm, version)


@pytest.mark.parametrize(
    "routes",
    [
        [GUANGZHOU, replace(FOSHAN, prefix="31048703")],
        [GUANGZHOU, replace(BLOCK, within=None)],
        [GUANGZHOU, replace(BLOCK, within="31048707")],
        [replace(GUANGZHOU, within="3104")],
        [replace(GUANGZHOU, authority="nobody")],
    ],
)
def test_ranges_that_overlap_or_lead_nowhere_are_refused(routes: list[CityRoute]) -> None:
    with pytest.raises(InvalidValue):
        Routing(routes, AUTHORITIES)


@pytest.mark.parametrize("prefix", ["", "3104x", "1" * 19, "３１"])
def test_a_prefix_is_digits(prefix: str) -> None:
    with pytest.raises(InvalidValue, match="prefix"):
        replace(GUANGZHOU, prefix=prefix)


@pytest.mark.parametrize("template", ["", "{card}", "02205810", "zz205810FFFFFFFF"])
def test_a_factor_is_hex_or_the_cards_own(template: str) -> None:
    with pytest.raises(InvalidValue, match="path"):
        replace(GUANGZHOU, path=(template,))
