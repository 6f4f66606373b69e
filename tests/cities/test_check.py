"""All mistakes of a configuration folder in one go."""

from pathlib import Path

import pytest

from ota.cities.check import Finding, check_config
from ota.cities.collecting import CollectingTable, read_all
from ota.core.configuration import Table
from ota.core.values import TerminalNumber
from tests.cities.conftest import SHIPPED, Edit


def findings(config: Path) -> list[str]:
    """The findings without the folder's own name."""
    return [str(finding).removeprefix(f"{config}/") for finding in check_config(config)]


def test_the_shipped_configuration_has_no_mistake() -> None:
    assert check_config(SHIPPED) == []


def test_every_mistake_of_every_file_is_found_at_once(config: Path, edit: Edit) -> None:
    edit("cities/foshan.toml", "batch = 3", "batch = 9")
    edit("cities/foshan.toml", "min_load_fen = 100", 'min_load_fen = "1 yuan"\nmin_load_yuan = 1')
    edit("cities/foshan.toml", 'path = ["{issuer_id}", "{card_factor}"]', 'path = ["{issuer_id}", 8]')
    edit("cities/foshan.toml", "live = true\n", "")
    edit("cities/zhuhai.toml", 'issuer_code = "01355850"', 'issuer_code = "01355851"')
    edit("cities/zhuhai.toml", 'terminal_number = "nonce"', 'terminal_number = "never"')
    edit("security_domains/platform.toml", 'scp = "02"', 'scp = "04"')
    edit("security_domains/platform.toml", 'level = "33"', 'level = "34"')
    edit("cards/gd-compatible.toml", "validity_years = 15", "validity_years = 51")
    edit("cards/gd-compatible.toml", "key_index = 1", 'key_index = "1"')

    found = findings(config)

    assert found == [
        "cards/gd-compatible.toml: purse.key_index: expected a whole number from 0 to 255",
        "cards/gd-compatible.toml: validity_years: expected a whole number from 1 to 50",
        "cities/foshan.toml: city.batch: expected a whole number from 1 to 3",
        "cities/foshan.toml: city.live: expected true or false",
        "cities/foshan.toml: limits.min_load_fen: expected a whole number from 1 to 2147483647",
        "cities/foshan.toml: keys.path: expected a list of texts",
        (
            "cities/foshan.toml: limits.min_load_yuan: expected no such key here (known: "
            "balance_ceiling_fen, max_load_fen, min_load_fen)"
        ),
        "cities/zhuhai.toml: load.terminal_number: expected one of 'nonce', 'fixed'",
        "cities/zhuhai.toml: iin[0].issuer_code: expected 8 digits that end in the clearing code 5850",
        "security_domains/platform.toml: key_set[0].scp: expected one of '02', '03'",
        "security_domains/platform.toml: key_set[1].variant[2].level: expected one of '01', '03', '11', '13', '33'",
    ]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('product = "gd-compatible"', 'product = "gd"', ["cities/foshan.toml: city.product: expected one of gd-compatible"]),
        ("[keys.versions.SM4]\nload = 1\nothers = 1", "", ["cities/foshan.toml: keys.versions.SM4: expected key versions, since gd-compatible carries SM4 keys"]),
        ("balance_ceiling_fen = 100000", "balance_ceiling_fen = 100001", ["cities/foshan.toml: limits.balance_ceiling_fen: expected at most the purse's ceiling, 100000"]),
        ('terminal_number = "nonce"', 'terminal_number = "fixed"\nfixed_number = "1"', ["cities/foshan.toml: load.fixed_number: expected 12 decimal digits"]),
        ("[lingnantong]", "lingnantong = 1\n[other]", [
            "cities/foshan.toml: number.lingnantong: expected no such key here (known: serial_digits, suffix)",
        ]),
        ("issues = true", "issues = false", ["cities/foshan.toml: iin: expected exactly one entry with issues = true"]),
        ("[[iin]]", "[iin]", ["cities/foshan.toml: iin: expected a list of tables"]),
        ('"{card_factor}"]', '"{card}"]', ["cities/foshan.toml: keys.path: expected for each factor placeholders"]),
        ("[city]", "city", ["cities/foshan.toml: the file: expected valid TOML"]),
    ],
)  # fmt: skip
def test_a_mistake_is_found_with_its_place(
    config: Path, edit: Edit, old: str, new: str, expected: list[str]
) -> None:
    edit("cities/foshan.toml", old, new)

    found = findings(config)

    for start in expected:
        assert any(line.startswith(start) for line in found), found
    assert all(line.startswith("cities/foshan.toml") for line in found)


def test_a_table_written_as_a_value_is_a_mistake_and_its_keys_are_missed(config: Path, edit: Edit) -> None:
    edit("cities/foshan.toml", "[city]", "fees = 3\n[city]")
    edit("cities/foshan.toml", "[fees]\nissuance_fen = 0\n", "")

    found = findings(config)

    assert found == [
        "cities/foshan.toml: fees: expected a table",
        "cities/foshan.toml: fees.issuance_fen: expected a whole number from 0 to 2147483647",
    ]


def test_numbers_that_two_cities_claim_are_found_beside_other_mistakes(config: Path, edit: Edit) -> None:
    edit("cities/foshan.toml", '"31048707"', '"31048703"')
    edit("cities/foshan.toml", "batch = 3", "batch = 9")

    found = findings(config)

    assert found == [
        "cities/foshan.toml: city.batch: expected a whole number from 1 to 3",
        "cities/guangzhou.toml: iin[0].prefix: expected numbers of its own; 31048703 belongs to foshan",
    ]


def test_two_cities_without_a_code_are_not_said_to_share_one(config: Path, edit: Edit) -> None:
    edit("cities/foshan.toml", 'clearing_code = "5880"', "")
    edit("cities/zhuhai.toml", 'clearing_code = "5850"', "")

    found = findings(config)

    assert [line.partition(": expected")[0] for line in found] == [
        "cities/foshan.toml: city.clearing_code",
        "cities/zhuhai.toml: city.clearing_code",
    ]


def test_a_product_with_mistakes_is_not_held_against_the_cities(config: Path, edit: Edit) -> None:
    edit("cards/gd-compatible.toml", "ceiling_fen = 100000", "ceiling_fen = 0")

    found = findings(config)

    assert found == [
        "cards/gd-compatible.toml: purse.ceiling_fen: expected a whole number from 1 to 2147483647"
    ]


def test_a_file_that_is_not_named_in_pinyin_is_found(config: Path) -> None:
    (config / "cities/foshan.toml").rename(config / "cities/Foshan.toml")

    assert findings(config) == [
        "cities/Foshan.toml: the file's name: expected the city in pinyin, lower case"
    ]


def test_a_contradiction_inside_a_security_domain_is_found(config: Path, edit: Edit) -> None:
    edit("security_domains/platform.toml", 'i = "00"\nlevel = "03"', 'i = "00"\nlevel = "13"')

    assert findings(config) == [
        "security_domains/platform.toml: key_set[1].variant[0].level: expected no R-MAC (01 or 03): this i has none"
    ]


def test_two_files_for_one_security_domain_are_found(config: Path, edit: Edit) -> None:
    edit("security_domains/platform.toml", "D156000158534400", "A000000151000000")

    assert findings(config) == [
        "security_domains/platform.toml: security_domain.aid: expected an AID that no other file of the folder has"
    ]


def test_empty_folders_are_found(tmp_path: Path) -> None:
    assert findings(tmp_path) == [
        "cards: the folder: expected at least one card product, as <name>.toml",
        "cities: the folder: expected at least one city, as <pinyin>.toml",
        "security_domains: the folder: expected at least one security domain, as <name>.toml",
    ]


def test_a_finding_says_file_key_and_expectation() -> None:
    assert str(Finding("a.toml", "b.c", "a number")) == "a.toml: b.c: expected a number"


def planted(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "file.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_whole_numbers_that_are_none_read_as_an_empty_list(tmp_path: Path) -> None:
    value, mistakes = read_all(planted(tmp_path, 'a = ["1"]'), lambda table: table.integers("a"))

    assert value == ()
    assert [mistake.details["key"] for mistake in mistakes] == ["a"]


def test_what_a_stand_in_breaks_is_not_reported_again(tmp_path: Path) -> None:
    def read(table: CollectingTable) -> TerminalNumber:
        return TerminalNumber(table.text("a"))

    value, mistakes = read_all(planted(tmp_path, "a = 1"), read)

    assert value is None
    assert [mistake.details["key"] for mistake in mistakes] == ["a"]


def test_a_fault_of_the_reader_itself_is_not_swallowed(tmp_path: Path) -> None:
    def read(table: CollectingTable) -> int:
        return int(table.text("a"))

    with pytest.raises(ValueError, match="invalid literal"):
        read_all(planted(tmp_path, 'a = "x"'), read)


@pytest.mark.parametrize(
    ("text", "places"), [("a.b = 1\nc = 1", ["a.b", "c"]), ("a.b = 1", ["a.b"]), ("c = 1", ["c"])]
)
def test_a_raised_mistake_joins_those_noted_elsewhere(tmp_path: Path, text: str, places: list[str]) -> None:
    def read(table: Table) -> None:
        inner = table.table("a")
        if inner.has("b"):
            inner.text("b")
            if not table.has("c"):
                raise inner.error("x", "something that only follows from b")
        raise table.error("c", "another value")

    _, mistakes = read_all(planted(tmp_path, text), read)

    assert [mistake.details["key"] for mistake in mistakes] == places
