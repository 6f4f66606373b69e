import pytest
from hypothesis import given
from hypothesis import strategies as st

from ota.card import tlv
from ota.card.problems import MalformedAnswer
from ota.core.errors import InvalidValue
from tests.outcome import outcome

PPSE = bytes.fromhex(
    "A537BF0C3461194F08A000000632010106500A4D4F545F545F4341534887010161174F08A00000063201010550084D4F545F545F4550870102"
)
BEIJING = bytes.fromhex("6F318408A000000632010105A5259F0801029F0C1E") + bytes(30)


def encode(elements: tuple[tlv.Tlv, ...]) -> bytes:
    return b"".join(tlv.build(element.tag, element.value) for element in elements)


def test_the_directory_of_a_real_card_is_read() -> None:
    directory = tlv.parse(PPSE)[0].find(0xBF0C)
    assert directory is not None

    labels = [entry.find(0x50) for entry in directory.children]

    assert [label.value for label in labels if label] == [b"MOT_T_CASH", b"MOT_T_EP"]


def test_a_path_leads_to_the_issuers_data() -> None:
    found = tlv.find(tlv.parse(BEIJING), 0x6F, 0xA5, 0x9F0C)

    assert found is not None
    assert found.value == bytes(30)


@pytest.mark.parametrize("path", [(0x70,), (0x6F, 0x85), (0x6F, 0x84, 0x01)])
def test_a_path_that_leads_nowhere_finds_nothing(path: tuple[int, ...]) -> None:
    assert tlv.find(tlv.parse(BEIJING), *path) is None


@pytest.mark.parametrize("length", [0, 1, 0x7F, 0x80, 0xFF, 0x100, 0xFFFF])
def test_a_value_of_any_length_survives(length: int) -> None:
    read = tlv.parse(tlv.build(0x9F0C, bytes(length)))

    assert [(element.tag, len(element.value)) for element in read] == [(0x9F0C, length)]


@pytest.mark.parametrize("tag", [0x01, 0x84, 0x9F0C, 0xBF0C, 0xDF8101])
def test_a_tag_of_one_to_three_bytes_survives(tag: int) -> None:
    assert tlv.parse(tlv.build(tag))[0].tag == tag


@given(st.binary(max_size=600))
def test_any_bytes_are_elements_that_encode_to_the_same_bytes_or_a_malformed_answer(data: bytes) -> None:
    read = outcome(tlv.parse, data)

    assert isinstance(read, MalformedAnswer) or (isinstance(read, tuple) and encode(read) == data)


@given(
    st.recursive(
        st.binary(max_size=20).map(lambda value: tlv.build(0x84, value)),
        lambda inner: st.lists(inner, max_size=4).map(lambda parts: tlv.build(0x61, *parts)),
        max_leaves=20,
    )
)
def test_any_tree_of_a_sane_depth_survives(data: bytes) -> None:  # fmt: skip
    read = outcome(tlv.parse, data)

    assert isinstance(read, MalformedAnswer) or (isinstance(read, tuple) and encode(read) == data)


@pytest.mark.parametrize(
    "data",
    [
        "84",  # no length
        "8402AA",  # cut off
        "8480AA0000",  # indefinite
        "848101AA",  # 1 in two bytes
        "84820001AA",  # 1 in three bytes
        "8483000001AA",  # a length of four bytes
        "8481",  # the length cut off
        "84820",  # the same, one byte further
        "00",  # filler
        "8400FF",  # half a tag after an element
        "9F80010A",  # a tag with leading zeros
        "9F8181010A",  # a tag of four bytes
        "9F81",  # a tag cut off
        "6F028403",  # an inner length that runs over the outer one
    ],
)
def test_a_sloppy_or_hostile_encoding_is_refused(data: str) -> None:
    with pytest.raises(MalformedAnswer, match="TLV data"):
        tlv.parse(bytes.fromhex(data.ljust(len(data) + len(data) % 2, "0")))


def test_a_bomb_of_nested_templates_is_refused() -> None:
    bomb = b""
    for _ in range(tlv.MAX_DEPTH + 2):
        bomb = tlv.build(0x61, bomb)

    with pytest.raises(MalformedAnswer, match="8 levels"):
        tlv.parse(bomb)


@pytest.mark.parametrize("tag", [0, -1, 0x1F, 0x8401, 0x9F80, 0x9F8181, 0x01000000])
def test_what_is_no_tag_is_not_written(tag: int) -> None:
    with pytest.raises(InvalidValue, match="tag"):
        tlv.build(tag)


def test_a_value_too_long_is_not_written() -> None:
    with pytest.raises(InvalidValue, match="length"):
        tlv.build(0x84, bytes(0x10000))


def test_an_element_prints_no_value() -> None:
    assert repr(tlv.parse(b"\x84\x02AB")[0]) == "Tlv(84, 2 bytes)"
