"""What a city says about a card: number, key path, key versions, limits."""

from contextlib import nullcontext
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ota.card.keys import Algorithm, KeyRole
from ota.card.perso import CardValues
from ota.card.product_file import load_product
from ota.cities.errors import (
    AmountOutsideLimits,
    BalanceOverCeiling,
    CardKeyUnknown,
    CardOutsideProvince,
    CityNotLive,
)
from ota.cities.loader import Cities
from ota.cities.profile import KeyVersions, Limits
from ota.core.errors import InvalidValue
from ota.core.values import CardNumber, CityCode, Fen
from tests.cities.conftest import SHIPPED

GUANGZHOU_CARD = CardNumber("3104870312345678906")  # the layout of a real card: IIN, Lingnantong number, 6


def test_a_new_number_embeds_the_lingnantong_number(cities: Cities) -> None:
    guangzhou = cities.by_name("guangzhou")

    number = guangzhou.number(1234567890)

    assert number == GUANGZHOU_CARD
    assert guangzhou.lingnantong_number(number).hex() == "5100001234567890"


@pytest.mark.parametrize("serial", [-1, 10**10])
def test_a_serial_outside_the_layout_is_refused(cities: Cities, serial: int) -> None:
    with pytest.raises(InvalidValue, match="serial: expected 0 to 9999999999"):
        cities.by_name("guangzhou").number(serial)


def test_the_key_path_is_issuer_then_card(cities: Cities) -> None:
    path = cities.by_name("guangzhou").key_path(GUANGZHOU_CARD)

    assert [factor.hex().upper() for factor in path] == ["02205810FFFFFFFF", "4870312345678906"]


def test_an_old_guangzhou_card_keeps_its_own_issuer(cities: Cities) -> None:
    old = CardNumber("3104870012345678906")

    issuer_id = cities.of_card(old).issuer_id(old)

    assert issuer_id.hex().upper() == "01135810FFFFFFFF"


def test_a_city_has_no_issuer_for_the_card_of_another(cities: Cities) -> None:
    with pytest.raises(CardOutsideProvince):
        cities.by_name("foshan").issuer_id(GUANGZHOU_CARD)


def test_a_card_key_is_a_name_and_a_path(cities: Cities) -> None:
    key = cities.by_name("guangzhou").card_key(GUANGZHOU_CARD, KeyRole.LOAD, Algorithm.SM4)

    assert str(key.ref) == "province/load/1/SM4"
    assert key.path == cities.by_name("guangzhou").key_path(GUANGZHOU_CARD)


@pytest.mark.parametrize(
    ("role", "stated", "version"),
    [
        (KeyRole.LOAD, None, 7),
        (KeyRole.TAC, None, 8),
        (KeyRole.LOAD, 7, 7),
        (KeyRole.LOAD_2, 1, 1),
        (KeyRole.TAC, 1, 2),
    ],
)
def test_the_version_a_card_states_decides_the_generation(
    cities: Cities, role: KeyRole, stated: int | None, version: int
) -> None:
    city = cities.by_name("guangzhou")
    generations = (KeyVersions(load=7, others=8), KeyVersions(load=1, others=2))
    rotated = replace(city, keys=replace(city.keys, versions={Algorithm.TDES: generations}))

    found = rotated.key_version(role, Algorithm.TDES, stated)

    assert found == version


@pytest.mark.parametrize(("algorithm", "stated"), [(Algorithm.TDES, 9), (Algorithm.AES128, None)])
def test_an_unknown_version_or_algorithm_is_an_error_and_no_other_is_tried(
    cities: Cities, algorithm: Algorithm, stated: int | None
) -> None:
    with pytest.raises(CardKeyUnknown):
        cities.by_name("guangzhou").key_version(KeyRole.LOAD, algorithm, stated)


def test_the_values_of_a_new_card_are_those_of_city_and_number(cities: Cities) -> None:
    city = cities.by_name("guangzhou")
    product = load_product(SHIPPED / "cards/gd-compatible.toml")

    values = city.card_values(GUANGZHOU_CARD, product, date(2024, 2, 29), city.newest_key_versions)

    assert values == CardValues(
        card_no=GUANGZHOU_CARD,
        issuer_id=bytes.fromhex("02205810FFFFFFFF"),
        issuer_code="02205810",
        province="5800",
        city=CityCode("5810"),
        lnt_number=bytes.fromhex("5100001234567890"),
        area=1,
        issued=date(2024, 2, 29),
        expires=product.expires(date(2024, 2, 29)),
        load_key_versions={Algorithm.TDES: 1, Algorithm.SM4: 1},
    )


def test_a_closed_city_starts_nothing_new(cities: Cities) -> None:
    closed = replace(cities.by_name("foshan"), live=False)

    with pytest.raises(CityNotLive) as caught:
        closed.require_live()

    assert caught.value.problem_code == "city_not_live"
    assert "佛山" in caught.value.message["zh-CN"]


def test_an_open_city_is_its_own_answer(cities: Cities) -> None:
    assert cities.by_name("foshan").require_live() is cities.by_name("foshan")


LIMITS = Limits(min_load=Fen(100), max_load=Fen(50_000), balance_ceiling=Fen(100_000))


@pytest.mark.parametrize(("amount", "allowed"), [(99, False), (100, True), (50_000, True), (50_001, False)])
def test_an_amount_on_the_limit_is_allowed(amount: int, *, allowed: bool) -> None:
    with nullcontext() if allowed else pytest.raises(AmountOutsideLimits) as caught:
        LIMITS.check_load(Fen(amount), balance=Fen(50_000))

    assert (caught is None) is allowed


@pytest.mark.parametrize("amount", [0, 99, 50_001])
def test_an_amount_beyond_the_limits_is_refused_by_name(amount: int) -> None:
    with pytest.raises(AmountOutsideLimits, match="between 100 and 50000 fen"):
        LIMITS.check_load(Fen(amount))


def test_a_load_that_overfills_the_purse_is_refused() -> None:
    with pytest.raises(BalanceOverCeiling, match="at most 100000 fen"):
        LIMITS.check_load(Fen(100), balance=Fen(99_901))


@given(serial=st.integers(min_value=0, max_value=10**10 - 1))
def test_every_serial_makes_a_number_that_leads_back_to_its_city(cities: Cities, serial: int) -> None:
    city = cities.by_name("qingyuan")

    number = city.number(serial)

    assert cities.of_card(number) is city
    assert int(number.digits[8:18]) == serial
