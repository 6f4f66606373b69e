"""Files against each other, and the way from a number to a city."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ota.cities.errors import CardOutsideProvince, CityUnknown
from ota.cities.loader import Cities, load_cities
from ota.core.configuration import ConfigurationError
from ota.core.values import CardNumber, CityCode
from tests.cities.conftest import Edit


def test_a_22nd_city_needs_one_file_and_no_code(config: Path) -> None:
    template = (config / "cities/foshan.toml").read_text(encoding="utf-8")
    changes = {
        "Foshan": "Hengqin", "佛山": "横琴", "5880": "5855", "4406": "4499", "31048707": "31048799"
    }  # fmt: skip
    for old, new in changes.items():
        template = template.replace(old, new)
    (config / "cities/hengqin.toml").write_text(template, encoding="utf-8")

    cities = load_cities(config / "cities")

    assert len(cities) == 22
    assert cities.of_card(CardNumber("3104879900000000016")).name_zh == "横琴"
    assert cities.of_code(CityCode("5855")).number(1).digits == "3104879900000000016"


def test_the_cities_come_in_the_order_of_their_codes(cities: Cities) -> None:
    codes = [city.code.code for city in cities]

    assert codes == sorted(codes)
    assert codes[0] == "5810"


@pytest.mark.parametrize("digits", ["3104872312345678901", "3104895199900000003", "6222021234567890123"])
def test_a_number_of_no_city_is_outside_the_province(cities: Cities, digits: str) -> None:
    with pytest.raises(CardOutsideProvince) as caught:
        cities.of_card(CardNumber(digits))

    assert caught.value.problem_code == "card_outside_province"
    assert digits not in str(caught.value)


@pytest.mark.parametrize("name", ["hongkong", "香港", "4401", ""])
def test_an_unknown_name_is_told_what_would_do(cities: Cities, name: str) -> None:
    with pytest.raises(CityUnknown, match="pinyin name"):
        cities.by_name(name)


def test_an_unknown_code_is_no_city(cities: Cities) -> None:
    with pytest.raises(CityUnknown):
        cities.of_code(CityCode("9999"))


def carve_out(edit: Edit, within: str) -> None:
    edit(
        "cities/foshan.toml",
        "[number]",
        f'[[iin]]\nprefix = "310487035"\nissuer_code = "02205880"\nissues = false\n{within}\n[number]',
    )


def test_a_declared_block_of_another_citys_numbers_wins_as_the_longer_prefix(
    config: Path, edit: Edit
) -> None:
    carve_out(edit, 'within = "31048703"')

    cities = load_cities(config / "cities")

    assert cities.of_card(CardNumber("3104870350000000006")).name == "foshan"
    assert cities.of_card(CardNumber("3104870340000000006")).name == "guangzhou"


def test_an_undeclared_block_inside_another_prefix_is_refused(config: Path, edit: Edit) -> None:
    carve_out(edit, "")

    with pytest.raises(
        ConfigurationError, match=r"foshan\.toml: iin\[1\]\.within: expected within = '31048703'"
    ):
        load_cities(config / "cities")


def test_a_block_inside_a_prefix_that_nobody_has_is_refused(config: Path, edit: Edit) -> None:
    edit("cities/foshan.toml", 'prefix = "31048707"', 'prefix = "310487077"\nwithin = "31048707"')
    edit("cities/foshan.toml", "serial_digits = 10", "serial_digits = 9")

    with pytest.raises(ConfigurationError, match=r"iin\[0\]\.within: expected no `within`"):
        load_cities(config / "cities")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"31048707"', '"31048703"', "guangzhou.toml: iin[0].prefix: expected numbers of its own; 31048703 belongs to foshan"),
        ('clearing_code = "5880"', 'clearing_code = "5810"', "guangzhou.toml: city.clearing_code: expected a value of its own"),
        ('division_code = "4406"', 'division_code = "4401"', "guangzhou.toml: city.division_code: expected a value of its own"),
        ('name_zh = "佛山"', 'name_zh = "广州"', "guangzhou.toml: city.name_zh: expected a value of its own; foshan has the same"),
        ('name_en = "Foshan"', 'name_en = "Guangzhou"', "guangzhou.toml: city.name_en: expected a value of its own"),
    ],
    ids=["number range", "clearing code", "division code", "Chinese name", "English name"],
)  # fmt: skip
def test_what_two_cities_claim_is_refused(config: Path, edit: Edit, old: str, new: str, message: str) -> None:
    edit("cities/foshan.toml", old, new)
    if old.startswith("clearing"):
        edit("cities/foshan.toml", '"02775880"', '"02775810"')

    with pytest.raises(ConfigurationError, match=re.escape(message)):
        load_cities(config / "cities")


def test_a_folder_without_cities_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="the folder: expected at least one city"):
        load_cities(tmp_path)


def test_a_file_is_named_in_pinyin(config: Path) -> None:
    (config / "cities/foshan.toml").rename(config / "cities/佛山.toml")

    with pytest.raises(ConfigurationError, match="the file's name: expected the city in pinyin"):
        load_cities(config / "cities")


@given(digits=st.from_regex(r"310487[0-9]{13}", fullmatch=True))
def test_a_number_belongs_to_the_city_whose_prefix_it_starts_with_or_to_none(
    cities: Cities, digits: str
) -> None:
    owners = {city.name for city in cities for prefix in city.prefixes if digits.startswith(prefix.prefix)}

    try:
        found = {cities.of_card(CardNumber(digits)).name}
    except CardOutsideProvince:
        found = set()

    assert found == owners
    assert len(owners) <= 1
