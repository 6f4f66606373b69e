import pytest
from hypothesis import given
from hypothesis import strategies as st

from ota.card.template import WIDTHS, Template
from ota.core.errors import InvalidValue
from tests.outcome import outcome


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ("", ""),
        ("00 FF", "00ff"),
        ("FF*3", "ffffff"),
        ("A1B2*2 00*0", "a1b2a1b2"),
        ("{city}", "5810"),
        ("00{city}{province}FF*2{city}", "0058105800ffff5810"),
        ("00\n  {city}\t01", "00581001"),
    ],
)
def test_a_template_renders_literals_and_gaps_in_order(text: str, rendered: str) -> None:
    values = {"city": bytes.fromhex("5810"), "province": bytes.fromhex("5800")}

    template = Template.parse(text)

    assert template.render(values).hex() == rendered
    assert template.length == len(rendered) // 2


@pytest.mark.parametrize(
    "text", ["0", "0G", "{city", "city}", "{}", "{City}", "{city}*2", "FF*", "FF *2", "FF*12345", "*2"]
)
def test_what_is_no_template_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match="template"):
        Template.parse(text)


def test_an_unknown_placeholder_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidValue, match=r"placeholders out of .*\{issuer_id\}.*\{city\}"):
        Template.parse("{town}")


def test_a_template_longer_than_any_file_is_refused() -> None:
    with pytest.raises(InvalidValue, match="at most"):
        Template.parse("FF*9999 " * 7)


def test_a_value_of_another_width_than_its_gap_is_refused() -> None:
    with pytest.raises(InvalidValue, match="city: expected 2 bytes"):
        Template.parse("{city}").render({"city": b"\x58"})


@given(st.text("0aF{}*city _9", max_size=20))
def test_any_text_is_a_template_or_an_invalid_value(text: str) -> None:
    read = outcome(Template.parse, text)

    assert isinstance(read, InvalidValue) or (
        isinstance(read, Template)
        and len(read.render({name: bytes(width) for name, width in WIDTHS.items()})) == read.length
    )
