"""Mistakes planted in one city file, each named by file, key and what was expected."""

from pathlib import Path

import pytest

from ota.card.keys import Algorithm
from ota.card.product import ProveMode
from ota.cities.loader import load_cities
from ota.cities.profile import KeyVersions, TerminalNumberMode
from ota.core.configuration import ConfigurationError
from ota.core.values import TerminalNumber
from tests.cities.conftest import Edit

HOST = """[host]
url = "https://tsm.example.cn/ota"
platform_key_id = "province-2025"

[[host.city_keys]]
id = "foshan-1"
x = "lFRN8coIezhM9d5Lvbgn-itULtJcrkMM8Gox5cLsmcw"
y = "DwFx9SchTWbIYHkOlLBd7vrmqwE88mSggmIdIs1zcKk"

[number]"""
KEYLESS = HOST[: HOST.index("[[")] + "[number]"
KEY = HOST[HOST.index("[[") : HOST.index("[number]")]

MISTAKES = [
    ("live = true", 'live = "yes"', "city.live: expected true or false"),
    ("batch = 3", "batch = 4", "city.batch: expected a whole number from 1 to 3"),
    ("batch = 3", "batch = 3.0", "city.batch: expected a whole number from 1 to 3"),
    ("batch = 3", "batch = 3\nbatsh = 3", "city.batsh: expected no such key here"),
    ('clearing_code = "5880"', 'clearing_code = "588"', "city.clearing_code: expected 4 digits of GB/T 13497"),
    ('clearing_code = "5880"', 'clearing_code = "5881"', "iin[0].issuer_code: expected 8 digits that end in the clearing code 5881"),
    ('phone_area = "0757"', 'phone_area = "757"', "city.phone_area: expected 3 or 4 digits, the first a 0"),
    ('prefix = "31048707"', 'prefix = "3104870"', "iin[0].prefix: expected 8 to 14 digits"),
    ('prefix = "31048707"', 'prefix = "31048707"\nwithin = "31048703"', "iin[0].within: expected a shorter prefix that this one starts with"),
    ('prefix = "31048707"', 'prefix = "31048707"\nwithin = "31048707"', "iin[0].within: expected a shorter prefix that this one starts with"),
    ("issues = true", "issues = false", "iin: expected exactly one entry with issues = true"),
    ('suffix = "6"', 'suffix = "67"', "number: expected prefix, serial and suffix of 19 digits together, not 20"),
    ('area = "00"', 'area = "0"', "lingnantong.area: expected 1 bytes as hex digits"),
    ("min_load_fen = 100", "min_load_fen = -1", "limits.min_load_fen: expected a whole number from 1 to 2147483647"),
    ("max_load_fen = 100000", "max_load_fen = 99", "limits.max_load_fen: expected at least min_load_fen"),
    ("max_load_fen = 100000", "max_load_fen = 100001", "limits.max_load_fen: expected at least min_load_fen and at most balance_ceiling_fen"),
    ("[fees]", "daily_load_fen = 200000\n[fees]", "limits.daily_load_fen: expected no such key here"),
    ('terminal_number = "nonce"', 'terminal_number = "once"', "load.terminal_number: expected one of 'nonce', 'fixed'"),
    ('terminal_number = "nonce"', 'terminal_number = "fixed"', "load.fixed_number: expected a text"),
    ('terminal_number = "nonce"', 'terminal_number = "fixed"\nfixed_number = "88"', "load.fixed_number: expected 12 decimal digits"),
    ('issuer = "province"', 'issuer = "The Province"', "keys.issuer: expected an owner's name in the HSM"),
    ('"{issuer_code} FFFFFFFF"', '"{issuer_code} FFFF"', "keys.issuer_id: expected 8 bytes from {issuer_code} and hex digits"),
    ('"{issuer_code} FFFFFFFF"', '"{card_factor}"', "keys.issuer_id: expected 8 bytes from {issuer_code} and hex digits"),
    ('"{card_factor}"]', '"{card_factory}"]', "keys.path: expected for each factor placeholders out of"),
    ('"{card_factor}"]', '"{card_factor} 00"]', "keys.path: expected at most 8 factors of 8 bytes each"),
    ('"{card_factor}"]', '"{issue_date} {issue_date}"]', "keys.path: expected at most 8 factors of 8 bytes each"),
    ('"{card_factor}"]', '"{card_factor}"' + ', "{card_factor}"' * 7 + "]", "keys.path: expected at most 8 factors"),
    ('default_algorithm = "3DES"', 'default_algorithm = "AES-128"', "keys.default_algorithm: expected an algorithm that keys.versions lists"),
    ('default_algorithm = "3DES"', 'default_algorithm = "DES"', "keys.default_algorithm: expected one of '3DES', 'SM4'"),
    ("[keys.versions.SM4]", "[keys.versions.SM5]", "keys.versions.SM5: expected no such key here"),
    ("load = 1", "load = 256", "keys.versions.3DES.load: expected a whole number from 0 to 255"),
    ("load = 1", "load = 1\nolder = [{load = 1, others = 1}]", "keys.versions.3DES.older: expected load versions that all differ"),
    ("self_issuing = false", "self_issuing = true", "host.url: expected an https:// address"),
    ("[number]", HOST.replace("https:", "http:"), "host.url: expected an https:// address"),
    ("[number]", HOST.replace("https://tsm.example.cn", "http://localhost.example.cn"), "host.url: expected an https:// address"),
    ("[number]", HOST.replace("/ota", "/ota/"), "host.url: expected an https:// address without a slash"),
    ("[number]", HOST.replace("province-2025", "../province"), "host.platform_key_id: expected 1 to 64 lower-case letters"),
    ("[number]", KEYLESS, "host.city_keys: expected a list of at least 1 tables"),
    ("[number]", HOST.replace("lFRN8", "+FRN8"), "host.city_keys[0].x: expected 43 characters"),
    ("[number]", HOST.replace("[number]", KEY + "[number]"), "host.city_keys: expected ids that all differ"),
    ("[number]", HOST, "load.foreign_loads: expected true, since the city's own host"),
    ("[city]", "[city", "the file: expected valid TOML"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "message"), MISTAKES, ids=[message for _, _, message in MISTAKES])
def test_a_mistake_is_named_by_file_key_and_expectation(
    config: Path, edit: Edit, old: str, new: str, message: str
) -> None:
    file = edit("cities/foshan.toml", old, new)

    with pytest.raises(ConfigurationError) as caught:
        load_cities(config / "cities")

    assert str(caught.value).startswith(f"{file}: {message}")


def test_a_self_issuing_city_names_its_host(config: Path, edit: Edit) -> None:
    edit("cities/foshan.toml", "self_issuing = false", "self_issuing = true")
    edit("cities/foshan.toml", "[number]", HOST)

    host = load_cities(config / "cities").by_name("foshan").host

    assert host is not None
    assert host.url == "https://tsm.example.cn/ota"
    assert host.platform_key_id == "province-2025"
    assert [key.id for key in host.city_keys] == ["foshan-1"]
    assert (host.connect_timeout_s, host.read_timeout_s) == (2, 5)


def test_only_a_self_issuing_city_answers_for_its_own_cards(config: Path, edit: Edit) -> None:
    edit("cities/foshan.toml", "self_issuing = false", "self_issuing = true")
    edit("cities/foshan.toml", "[number]", HOST)
    edit("cities/zhuhai.toml", "foreign_loads = false", "foreign_loads = true")
    edit("cities/zhuhai.toml", "[number]", HOST.replace("https://tsm.example.cn", "http://127.0.0.1:8099"))

    cities = load_cities(config / "cities")

    assert cities.by_name("foshan").authority == "foshan"
    assert cities.by_name("zhuhai").authority == "province"
    assert cities.by_name("guangzhou").authority == "province"


def test_a_city_may_fix_its_terminal_number_and_its_way_of_proving(config: Path, edit: Edit) -> None:
    fixed = 'terminal_number = "fixed"\nfixed_number = "880012003262"\nprove = "never"'
    edit("cities/foshan.toml", 'terminal_number = "nonce"', fixed)

    load = load_cities(config / "cities").by_name("foshan").load

    assert load.terminal_number is TerminalNumberMode.FIXED
    assert load.fixed_number == TerminalNumber("880012003262")
    assert load.prove is ProveMode.NEVER


def test_a_city_may_keep_older_keys(config: Path, edit: Edit) -> None:
    edit("cities/foshan.toml", "load = 1", "load = 2\nolder = [{load = 1, others = 1}]")

    city = load_cities(config / "cities").by_name("foshan")

    assert city.keys.versions[Algorithm.TDES] == (KeyVersions(2, 1), KeyVersions(1, 1))
