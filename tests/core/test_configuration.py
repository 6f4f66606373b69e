import tomllib
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ota.core.configuration import ConfigurationError, Table
from ota.core.values import CityCode
from tests.outcome import outcome


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


def table(text: str) -> Table:
    return Table("city.toml", tomllib.loads(text))


READERS: dict[str, Callable[[Table], object]] = {
    "text": lambda t: t.text("key"),
    "pattern": lambda t: t.text("key", pattern="[0-9]{4}", expected="4 digits"),
    "integer": lambda t: t.integer("key", low=1, high=3),
    "flag": lambda t: t.flag("key"),
    "hexadecimal": lambda t: t.hexadecimal("key", low=2, high=3),
    "choice": lambda t: t.choice("key", Colour),
    "parsed": lambda t: t.parsed("key", CityCode),
    "texts": lambda t: t.texts("key"),
    "integers": lambda t: t.integers("key"),
    "tables": lambda t: [inner.path for inner in t.tables("key", at_least=1)],
    "table": lambda t: t.table("key").path,
}


@pytest.mark.parametrize(
    ("reader", "text", "value"),
    [
        ("text", "'a'", "a"),
        ("pattern", "'5810'", "5810"),
        ("integer", "3", 3),
        ("flag", "true", True),
        ("hexadecimal", "'00 FF'", b"\x00\xff"),
        ("choice", "'red'", Colour.RED),
        ("parsed", "'5810'", CityCode("5810")),
        ("texts", "['a', '']", ("a", "")),
        ("integers", "[1, 2]", (1, 2)),
        ("tables", "[{a = 1}, {}]", ["key[0]", "key[1]"]),
        ("table", "{a = 1}", "key"),
    ],
)
def test_a_value_of_the_right_kind_is_read(reader: str, text: str, value: object) -> None:
    assert READERS[reader](table(f"key = {text}")) == value


@pytest.mark.parametrize(
    ("reader", "text"),
    [
        ("text", "1"),
        ("text", "''"),
        ("pattern", "'58１0'"),
        ("integer", "0"),
        ("integer", "4"),
        ("integer", "true"),
        ("integer", "1.0"),
        ("flag", "1"),
        ("hexadecimal", "'00'"),
        ("hexadecimal", "'00000000'"),
        ("hexadecimal", "'0x00'"),
        ("hexadecimal", "5"),
        ("choice", "'blue'"),
        ("choice", "1"),
        ("parsed", "'x'"),
        ("parsed", "5810"),
        ("texts", "'a'"),
        ("texts", "['a', 1]"),
        ("integers", "[1, true]"),
        ("tables", "[]"),
        ("tables", "[1]"),
        ("tables", "{}"),
        ("table", "1"),
    ],
)
def test_a_value_of_the_wrong_kind_names_file_and_key(reader: str, text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^city\.toml: key: expected .+\.$"):
        READERS[reader](table(f"key = {text}"))


@pytest.mark.parametrize("reader", sorted(set(READERS) - {"table"}))
def test_a_missing_key_is_an_error(reader: str) -> None:
    with pytest.raises(ConfigurationError, match="key"):
        READERS[reader](table(""))


def test_a_default_stands_in_for_a_missing_key() -> None:
    empty = table("")

    assert empty.text("a", "x") == "x"
    assert empty.integer("b", 7) == 7
    assert empty.flag("c", False) is False
    assert empty.hexadecimal("d", b"\x01") == b"\x01"
    assert empty.choice("e", Colour, Colour.GREEN) is Colour.GREEN
    assert empty.parsed("f", CityCode, "5880") == CityCode("5880")
    assert empty.texts("g", ("x",)) == ("x",)
    assert empty.integers("h", ()) == ()
    assert not empty.has("i")


def test_a_message_speaks_chinese_too() -> None:
    error = ConfigurationError("a.toml", "key", "4 digits")

    assert "a.toml" in error.message["zh-CN"]
    assert dict(error.details) == {"file": "a.toml", "key": "key", "expected": "4 digits"}


def test_a_mistake_deep_in_the_file_is_named_by_its_path() -> None:
    found = table("[[applications]]\n[[applications.instances]]\naid = 5")
    instance = found.tables("applications")[0].tables("instances")[0]

    with pytest.raises(ConfigurationError, match=r"applications\[0\]\.instances\[0\]\.aid: expected"):
        instance.text("aid")


def test_a_key_nobody_asked_for_is_an_error_that_lists_the_known_ones() -> None:
    found = table("name = 'a'\nnmae = 'b'")
    found.text("name")

    with pytest.raises(ConfigurationError, match=r"nmae: expected no such key here \(known: name\)"):
        found.finish()


def test_an_unknown_key_of_an_inner_table_is_an_error_too() -> None:
    found = table("[limits]\nmni = 1")
    found.table("limits")

    with pytest.raises(
        ConfigurationError, match=r"limits\.mni: expected no such key here \(known: nothing\)"
    ):
        found.finish()


def test_a_file_whose_every_key_was_asked_for_is_fine() -> None:
    found = table("a = 1\n[[b]]\nc = 'x'")
    found.integer("a")
    found.tables("b")[0].text("c")

    found.finish()

    assert found.keys() == ("a", "b")


def test_a_file_is_read_with_its_name(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text("key = '值'", encoding="utf-8")

    found = Table.load(file)

    assert (found.file, found.text("key")) == (str(file), "值")


@pytest.mark.parametrize(
    "content", [b"key =", b"key = '\xff'", b"key = " + b"1" * 5000, b"key = " + b"[" * 5000]
)
def test_a_file_that_is_no_toml_names_the_file(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "a.toml"
    file.write_bytes(content)

    with pytest.raises(ConfigurationError, match=r"a\.toml: the file: expected valid TOML"):
        Table.load(file)


def test_a_file_that_is_not_there_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="expected a readable file"):
        Table.load(tmp_path / "absent.toml")


@given(
    st.dictionaries(
        st.just("key"), st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.integers())
    ),
    st.sampled_from(sorted(READERS)),
)
def test_whatever_a_file_holds_is_a_value_or_a_configuration_error(
    values: dict[str, object], reader: str
) -> None:
    assert outcome(READERS[reader], Table("f", values)) is not None
