from datetime import date
from pathlib import Path

import pytest

from ota.card.keys import Algorithm, KeyRole
from ota.card.problems import MalformedAnswer
from ota.card.product import ProveMode
from ota.card.product_file import load_product, load_products
from ota.core.configuration import ConfigurationError
from tests.card.products import CARDS, COMPATIBLE, changed


@pytest.mark.parametrize("file", sorted(CARDS.glob("*.toml")), ids=lambda file: file.stem)
def test_every_shipped_product_loads(file: Path) -> None:
    assert load_product(file).name == file.stem


def test_products_are_found_by_the_names_of_their_files() -> None:
    assert load_products(CARDS)["gd-compatible"].title.chinese == "岭南通·交通联合卡"


def test_a_folder_without_products_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="at least one card product"):
        load_products(tmp_path)


def test_the_compatible_card_has_both_applications_over_one_purse() -> None:
    product = load_product(COMPATIBLE)

    assert [instance.name for _, instance in product.instances] == [
        "t-union",
        "lnt",
        "lnt-appy",
        "lnt-ticl",
        "ppse",
    ]
    assert [application.main.name for application in product.applications] == ["t-union", "lnt", "ppse"]
    assert [(group.id.hex(), group.algorithm, len(group.roles)) for group in product.key_groups] == [
        ("b0a0", Algorithm.TDES, 15),
        ("b0a5", Algorithm.TDES, 1),
        ("b1a0", Algorithm.SM4, 15),
        ("b1a5", Algorithm.SM4, 1),
    ]
    assert product.key_groups[0].roles == tuple(KeyRole)[:15]


def test_one_word_gives_lingnantong_a_purse_of_its_own(tmp_path: Path) -> None:
    product = changed(tmp_path, ('sharing = "shared"', 'sharing = "own"'))

    assert len(product.key_groups) == 8
    assert product.applications[1].main.parameters.length == 2


def test_the_purse_is_described() -> None:
    purse = load_product(COMPATIBLE).purse

    assert (purse.key_index, purse.ceiling.amount, purse.log_files, purse.pin) == (1, 100_000, (0x18,), None)
    assert [purse.algorithm(identifier) for identifier in (0, 1, 4)] == [
        Algorithm.TDES,
        Algorithm.SM4,
        Algorithm.SM4,
    ]


def test_an_algorithm_that_nobody_configured_is_never_guessed() -> None:
    with pytest.raises(MalformedAnswer, match="one of 00, 01, 04"):
        load_product(COMPATIBLE).purse.algorithm(2)


def test_a_purse_may_want_its_pin_first(tmp_path: Path) -> None:
    product = changed(tmp_path, ("key_index = 1", 'pin = "123456"\nkey_index = 0x41'))

    assert (product.purse.pin, product.purse.key_index) == ("123456", 0x41)


@pytest.mark.parametrize(
    ("mode", "atc", "counters"),
    [
        ("never", 7, ()),
        ("before", 7, (7,)),
        ("after", 7, (8,)),
        ("both", 7, (7, 8)),
        ("both", 0xFFFF, (0xFFFF, 0)),
    ],
)
def test_a_proof_is_asked_for_by_the_counters_of_the_product(
    mode: str, atc: int, counters: tuple[int, ...]
) -> None:
    assert ProveMode(mode).counters(atc) == counters


@pytest.mark.parametrize(
    ("issued", "expires"),
    [(date(2026, 1, 2), date(2041, 1, 2)), (date(2028, 2, 29), date(2043, 2, 28))],
)
def test_a_card_expires_years_after_its_issue(issued: date, expires: date) -> None:
    assert load_product(COMPATIBLE).expires(issued) == expires


@pytest.mark.parametrize(
    ("old", "new", "mistake"),
    [
        ("validity_years = 15", "validity_years = 0", "validity_years: expected a whole number from 1 to 50"),
        ("validity_years = 15", "", "validity_years"),
        ("minimum_level = 1", "minimum_levle = 1", "minimum_levle: expected no such key"),
        ('en = "Guangdong compatible transit card"', "", "name.en: expected a text"),
        ('sharing = "shared"', 'sharing = "both"', "purse.sharing: expected one of 'shared', 'own'"),
        ('select = "A000000632010105"', 'select = "A0"', "purse.select: expected an AID of 5 to 16 bytes"),
        ("log_files = [0x18]", "log_files = []", "purse.log_files: expected short file identifiers"),
        ("log_files = [0x18]", "log_files = [32]", "purse.log_files: expected short file identifiers"),
        ("key_index = 1", 'key_index = 1\npin = "123"', "purse.pin: expected 4 to 12 digits"),
        ("ceiling_fen = 100000", "ceiling_fen = 1000.0", "purse.ceiling_fen: expected a whole number"),
        ('00 = "3DES"', '00 = "AES-128"', "purse.algorithms.00: expected an identifier"),
        ('00 = "3DES"', '000 = "3DES"', "purse.algorithms.000: expected an identifier"),
        ('00 = "3DES"', '0g = "3DES"', "purse.algorithms.0g: expected an identifier"),
        ('00 = "3DES"\n01 = "SM4"\n04 = "SM4"', "", "purse.algorithms: expected at least one"),
        ('name = "t-union"', 'name = "T Union"', r"applications\[0\].name: expected a name"),
        ('name = "lingnantong"', 'name = "t-union"', "applications: expected each name once"),
        ('name = "lnt-appy"', 'name = "lnt-ticl"', "applications: expected each name once"),
        ('"lnt-ticl", "lnt-appy", "lnt"', '"lnt-ticl", "lnt"', "delete_order: expected each of t-union, lnt"),
        ('package = "D15600015847444350"', 'package = "D1"', r"applications\[0\].package: expected 5 to 16 bytes"),
        ("{province} {issuer_code} 0000", "{province} {issuer} 0000", r"instances\[0\].aid: expected placeholders"),
        ("{province} {issuer_code} 0000", "00*9", r"instances\[0\].aid: expected an AID of 5 to 16 bytes"),
        ("C912 8110", "C911 8110", r"instances\[0\].install_parameters: expected BER-TLV"),
        ("length = 30", "length = 31", r"groups\[2\].content: expected 31 bytes, as its length says \(it has 30\)"),
        ('id = "A002"', 'id = "A001"', r"applications\[0\].groups: expected each name once"),
        ('id = "A002"', 'id = "A0"', r"groups\[1\].id: expected 2 bytes"),
        ('algorithm = "3DES"', 'algorithm = "AES-128"', r"groups\[5\].algorithm: expected '3DES' or 'SM4'"),
        ('keys = ["load_2"]', 'keys = ["load_3"]', r"groups\[6\].keys: expected different roles out of"),
        ('keys = ["load_2"]', 'keys = ["load_2", "load_2"]', r"groups\[6\].keys: expected different roles"),
        ('keys = ["load_2"]', 'keys = ["sd_enc"]', r"groups\[6\].keys: expected different roles"),
        ('keys = ["load_2"]', "keys = []", r"groups\[6\].keys: expected different roles"),
        ('group = "t-union/B003"', 'group = "t-union/B0A0"', r"readings\[2\].group: expected one of t-union/A001"),
        ("length = 11", "length = 61", r"readings\[2\].length: expected a whole number from 1 to 60"),
        ('"00B097000B"', '"00B097"', r"readings\[2\].command: expected at least the 4 bytes"),
        ('expected = "00000000"', 'expected = "0"', r"readings\[3\].expected: expected hex bytes"),
        ('"6F", "A5"', '"6F", "XX"', r"readings\[0\].path: expected tags as hex digits"),
        ('"6F", "A5"', '"6F", "1F"', r"readings\[0\].path: expected tags as hex digits"),
        ('name = "T-Union EF17"', 'name = "T-Union EF17"\nstatus = "90"', r"readings\[2\].status: expected 1 to 16"),
    ],
)  # fmt: skip
def test_a_mistake_names_its_place_and_what_was_expected(
    tmp_path: Path, old: str, new: str, mistake: str
) -> None:
    with pytest.raises(ConfigurationError, match=mistake):
        changed(tmp_path, (old, new))


def test_a_mistake_in_the_unused_alternative_shows_as_well(tmp_path: Path) -> None:
    own = (
        'module = "D1560001584744435002"\ninstall_parameters = "{}"\n\n[[applications.instances]] # PAY.APPY'
    )

    with pytest.raises(ConfigurationError, match=r"applications\[1\].instances\[1\].install_parameters"):
        changed(tmp_path, (own.format("C900"), own.format("C901")))


def test_an_application_needs_an_instance_for_the_chosen_purse(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=r"applications\[2\].instances: expected at least one instance"
    ):
        changed(tmp_path, ('name = "ppse"\naid', 'name = "ppse"\npurse = "own"\naid'))


def test_a_new_product_needs_no_code(tmp_path: Path) -> None:
    (tmp_path / "plain.toml").write_text(
        """
        validity_years = 3
        delete_order = ["purse"]
        [name]
        en = "Plain card"
        zh = "普通卡"
        [purse]
        select = "F000000001"
        ceiling_fen = 50000
        log_files = [0x18, 0x1A]
        transaction_prove = "never"
        [purse.algorithms]
        00 = "3DES"
        [[applications]]
        name = "purse"
        title = { en = "Purse", zh = "钱包" }
        package = "F000000000"
        [[applications.instances]]
        name = "purse"
        aid = "F000000001 {city}"
        module = "F000000002"
        install_parameters = "C900"
        [[readings]]
        name = "balance"
        command = "805C000204"
        expected = "00000000"
        """,
        encoding="utf-8",
    )

    product = load_products(tmp_path)["plain"]

    assert product.purse.log_files == (0x18, 0x1A)
    assert product.key_groups == ()
