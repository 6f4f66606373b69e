"""A lenient reader of TLV."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ota.sandbox import tlv

FCI = bytes.fromhex("6F1A" + "8408A000000632010105" + "A50E" + "9F0801029F0C07" + "01020304050607")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ((0x6F, 0x84), "A000000632010105"),
        ((0x6F, 0xA5, 0x9F0C), "01020304050607"),
        ((0x6F, 0xA5, 0x9F08), "02"),
        ((0x6F, 0x50), None),
        ((0x70,), None),
    ],
)
def test_a_value_is_found_under_its_path(path: tuple[int, ...], expected: str | None) -> None:
    found = tlv.find(FCI, *path)

    assert (found.hex().upper() if found is not None else None) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("C1020001", [(0xC1, "0001")]),
        ("C1810155", [(0xC1, "55")]),
        ("C182000155C2015A", [(0xC1, "55"), (0xC2, "5A")]),
        ("C10200", []),
        ("C1", []),
        ("C180", []),
        ("C1FF", []),
        ("C18300000155", []),
        ("C18201", []),
        ("9F", []),
        ("C10155C205", [(0xC1, "55")]),
    ],
)
def test_reading_stops_at_what_cannot_be_read(data: str, expected: list[tuple[int, str]]) -> None:
    assert [(tag, value.hex().upper()) for tag, value in tlv.objects(bytes.fromhex(data))] == expected


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    assert sum(len(value) for _, value in tlv.objects(data)) <= len(data)
