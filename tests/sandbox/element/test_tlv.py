from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ota.sandbox.element.status import CardError
from ota.sandbox.element.tlv import find_tlv, read_lv, read_tlvs, tlv

TAGS = st.sampled_from((0x4F, 0x84, 0xA5, 0x9F0C, 0xBF0C))


@pytest.mark.parametrize(
    ("length", "head"), [(0, "8400"), (127, "847F"), (128, "848180"), (255, "8481FF"), (256, "84820100")]
)
def test_lengths_are_written_in_their_shortest_form(length: int, head: str) -> None:
    written = tlv(0x84, bytes(length))

    assert written == bytes.fromhex(head) + bytes(length)


@given(st.lists(st.tuples(TAGS, st.binary(max_size=300)), max_size=5))
def test_what_was_written_is_read(objects: list[tuple[int, bytes]]) -> None:
    written = b"".join(tlv(tag, value) for tag, value in objects)

    assert list(read_tlvs(written)) == objects


@given(st.binary(max_size=40))
def test_any_bytes_are_read_or_refused_with_6a80(data: bytes) -> None:
    refusals = []
    for read in (read_tlvs, read_lv):
        try:
            list(read(data))
        except CardError as refusal:
            refusals.append(refusal.sw)

    assert set(refusals) <= {0x6A80}


def test_the_first_of_two_is_found() -> None:
    assert find_tlv(bytes.fromhex("4F01AA4F01BB"), 0x4F) == b"\xaa"
    assert find_tlv(b"", 0x4F) is None
