"""The 21 files against the published codes, one row and one test per city."""

from pathlib import Path

import pytest

from ota.card.keys import Algorithm
from ota.card.product import ProveMode
from ota.cities.loader import Cities, load_cities
from ota.cities.profile import TerminalNumberMode
from ota.core.values import CardNumber, CityCode, Fen
from tests.cities.conftest import SHIPPED

# pinyin, Chinese, brand, clearing code, GB/T 2260, phone area, batch, issuing IIN, issuer code, other IINs
PUBLISHED = [
    (
        "guangzhou",
        "广州",
        "羊城通",
        "5810",
        "4401",
        "020",
        2,
        "31048703",
        "02205810",
        {"31048700": "01135810"},
    ),
    (
        "shaoguan",
        "韶关",
        "韶州通",
        "5820",
        "4402",
        "0751",
        1,
        "31048706",
        "02885820",
        {"31048718": "02885820"},
    ),
    ("shenzhen", "深圳", "深圳通", "5840", "4403", "0755", 2, "31048704", "02215840", {}),
    ("zhuhai", "珠海", "珠海通", "5850", "4404", "0756", 2, "31048701", "01355850", {"31048724": "01355850"}),
    ("shantou", "汕头", "岭南通·汕头", "5860", "4405", "0754", 3, "31048709", "02795860", {}),
    ("foshan", "佛山", "广佛通", "5880", "4406", "0757", 3, "31048707", "02775880", {}),
    ("jiangmen", "江门", "五邑通", "5890", "4407", "0750", 1, "31048710", "02805890", {}),
    ("zhanjiang", "湛江", "湛江通", "5910", "4408", "0759", 2, "31048713", "02835910", {}),
    ("maoming", "茂名", "茂城通", "5920", "4409", "0668", 3, "31048711", "02815920", {}),
    ("zhaoqing", "肇庆", "肇庆通", "5930", "4412", "0758", 1, "31048712", "02825930", {}),
    ("huizhou", "惠州", "惠州通", "5950", "4413", "0752", 1, "31048708", "02785950", {}),
    ("meizhou", "梅州", "嘉应通", "5960", "4414", "0753", 3, "31048714", "02845960", {}),
    ("shanwei", "汕尾", "红海通", "5970", "4415", "0660", 2, "31048715", "02855970", {}),
    ("heyuan", "河源", "河源粤支付", "5980", "4416", "0762", 1, "31048716", "02865980", {}),
    ("yangjiang", "阳江", "漠江通", "5990", "4417", "0662", 3, "31048720", "02905990", {}),
    ("qingyuan", "清远", "清远市民卡", "6010", "4418", "0763", 3, "31048717", "02876010", {}),
    ("dongguan", "东莞", "东莞通", "6020", "4419", "0769", 2, "31048702", "01616020", {}),
    ("zhongshan", "中山", "中山通", "6030", "4420", "0760", 3, "31048705", "01056030", {}),
    ("chaozhou", "潮州", "潮州通", "6040", "4451", "0768", 2, "31048721", "02916040", {}),
    ("jieyang", "揭阳", "榕江通", "6050", "4452", "0663", 1, "31048719", "02896050", {}),
    ("yunfu", "云浮", "岭云通", "6060", "4453", "0766", 1, "31048722", "02926060", {}),
]


@pytest.mark.parametrize("row", PUBLISHED, ids=lambda row: row[0])
def test_a_city_carries_its_published_codes(cities: Cities, row: tuple[object, ...]) -> None:
    name, name_zh, brand, code, division, phone, batch, iin, issuer, others = row

    city = cities.by_name(str(name))

    assert (city.name_zh, city.brand, city.code.code, city.province_code) == (name_zh, brand, code, "5800")
    assert (city.division_code, city.phone_area, city.batch) == (division, phone, batch)
    assert (city.issuing.prefix, city.issuing.issuer_code) == (iin, issuer)
    assert {p.prefix: p.issuer_code for p in city.prefixes if not p.issues} == others


@pytest.mark.parametrize("row", PUBLISHED, ids=lambda row: row[0])
def test_a_city_starts_with_the_rules_of_the_province(cities: Cities, row: tuple[object, ...]) -> None:
    city = cities.by_name(str(row[0]))

    assert city.live
    assert not city.self_issuing
    assert city.host is None
    assert city.name_en.lower() == city.name
    assert (city.limits.min_load, city.limits.balance_ceiling) == (Fen(100), Fen(100_000))
    assert city.issuance_fee == Fen(0)
    assert city.load.terminal_number is TerminalNumberMode.NONCE
    assert not city.load.foreign_loads
    assert city.load.prove in {None, *ProveMode}
    assert city.keys.default_algorithm is Algorithm.TDES
    assert set(city.keys.versions) == {Algorithm.TDES, Algorithm.SM4}


@pytest.mark.parametrize("row", PUBLISHED, ids=lambda row: row[0])
def test_every_number_of_a_city_finds_it_again(cities: Cities, row: tuple[object, ...]) -> None:
    city = cities.by_name(str(row[0]))
    numbers = [CardNumber(prefix.prefix + "99999999999") for prefix in city.prefixes]

    found = {cities.of_card(number).name for number in (*numbers, city.number(0))}

    assert found == {city.name}
    assert city.issuer_id(city.number(0)).hex().upper() == f"{row[8]}FFFFFFFF"


def test_there_is_a_file_for_each_of_the_21_cities_and_no_other() -> None:
    files = {file.stem for file in (SHIPPED / "cities").iterdir()}

    assert files == {row[0] for row in PUBLISHED}
    assert len(files) == len(load_cities(SHIPPED / "cities")) == 21


@pytest.mark.parametrize("asked", ["foshan", "Foshan", " 佛山 ", "5880"])
def test_a_city_answers_to_its_pinyin_its_chinese_name_and_its_code(cities: Cities, asked: str) -> None:
    city = cities.by_name(asked)

    assert city is cities.of_code(CityCode("5880"))


def test_every_city_issues_a_product_that_is_shipped(cities: Cities) -> None:
    products = {file.stem for file in Path(SHIPPED / "cards").glob("*.toml")}

    assert {city.product for city in cities} <= products
