"""Key blocks of version D, held against psec, an implementation that shares nothing with ours."""

from __future__ import annotations

import string
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psec import tr31 as psec

from ota.hsm_adapter import tr31
from ota.hsm_adapter.tr31 import Header, KeyBlockRefused

PROTECTION = bytes.fromhex("8A3C5D1F90B7E2466BD10E94F7A2C35812F4A6B8C0DEF1325476981234ABCDEF")
KEY = bytes.fromhex("5D1F90B7E2466BD10E94F7A2C3588A3C")
HEADER = Header("E0", "T", "X", "01", "N", (("LB", "province/load/1/3DES"),))

_UPPER = string.ascii_uppercase + string.digits
_OPTIONAL = st.dictionaries(
    st.text(_UPPER, min_size=2, max_size=2).filter(lambda name: name != "PB"),
    st.text(string.printable[:95], max_size=60),
    max_size=4,
)
_HEADERS = st.builds(
    Header,
    usage=st.sampled_from(["E0", "E1", "E2", "E5", "E6", "K1", "D0", "42"]),
    algorithm=st.sampled_from(["T", "A", "4"]),
    mode=st.sampled_from(["X", "B", "N"]),
    version=st.text(_UPPER, min_size=2, max_size=2),
    exportability=st.sampled_from(["E", "N", "S"]),
    optional=_OPTIONAL.map(lambda blocks: tuple(blocks.items())),
)
_PROTECTIONS = st.sampled_from([16, 24, 32]).flatmap(lambda n: st.binary(min_size=n, max_size=n))
_KEYS = st.sampled_from([16, 24, 32]).flatmap(lambda n: st.binary(min_size=n, max_size=n))


def fields(header: Any) -> tuple[str, ...]:
    return header.key_usage, header.algorithm, header.mode_of_use, header.version_num, header.exportability


@settings(max_examples=2500)
@given(protection=_PROTECTIONS, header=_HEADERS, key=_KEYS)
def test_the_reference_opens_our_blocks(protection: bytes, header: Header, key: bytes) -> None:
    read, found = psec.unwrap(protection, tr31.wrap(protection, header, key))

    assert found == key
    assert fields(read) == (
        header.usage,
        header.algorithm,
        header.mode,
        header.version,
        header.exportability,
    )
    assert {name: text for name, text in read.blocks.items() if name != "PB"} == dict(header.optional)


@settings(max_examples=2500)
@given(protection=_PROTECTIONS, header=_HEADERS, key=_KEYS, hidden=st.sampled_from([None, 24, 32]))
def test_we_open_the_blocks_of_the_reference(
    protection: bytes, header: Header, key: bytes, hidden: int | None
) -> None:
    theirs = psec.Header(
        "D", header.usage, header.algorithm, header.mode, header.version, header.exportability
    )
    for name, text in header.optional:
        theirs.blocks[name] = text

    read, found = tr31.unwrap(protection, psec.wrap(protection, theirs, key, hidden))

    assert (read, bytes(found)) == (header, key)


@settings(max_examples=300)
@given(protection=_PROTECTIONS, header=_HEADERS, key=_KEYS, data=st.data())
def test_a_block_with_any_character_changed_is_refused(
    protection: bytes, header: Header, key: bytes, data: st.DataObject
) -> None:
    block = tr31.wrap(protection, header, key)
    place = data.draw(st.integers(0, len(block) - 1))
    other = data.draw(st.characters().filter(lambda character: character != block[place]))

    with pytest.raises(KeyBlockRefused):
        tr31.unwrap(protection, block[:place] + other + block[place + 1 :])


@settings(max_examples=300)
@given(text=st.text(max_size=200) | st.text(_UPPER, max_size=200).map(lambda text: "D" + text))
def test_text_that_is_no_block_is_refused(text: str) -> None:
    with pytest.raises(KeyBlockRefused):
        tr31.unwrap(PROTECTION, text)


def test_the_published_block_opens() -> None:
    block = (
        "D0144M3AC00N00008C1CB96C82BFFB2DFA31216647B06D3EC65375F9EC676ADD47B949551E5EC3A82873D6C65C963789"
        "119B4A90E7446EA04A4861D4688759EAB83C8D59FEF3DAD1"
    )

    header, key = tr31.unwrap(b"FFFFFFFFEEEEEEEE", block)

    assert header == Header("M3", "A", "C", "00", "N")
    assert key == b"CCCCCCCCDDDDDDDD"


@pytest.mark.parametrize(("algorithm", "longest"), [("T", 24), ("A", 32)])
def test_a_block_does_not_tell_how_long_its_key_is(algorithm: str, longest: int) -> None:
    header = Header("E0", algorithm, "X", "01", "N")

    lengths = {len(tr31.wrap(PROTECTION, header, bytes(length))) for length in range(16, longest + 1, 8)}

    assert len(lengths) == 1


def test_two_blocks_of_one_key_differ() -> None:
    assert tr31.wrap(PROTECTION, HEADER, KEY) != tr31.wrap(PROTECTION, HEADER, KEY)


def test_a_header_is_read_without_a_key() -> None:
    header = tr31.read_header(tr31.wrap(PROTECTION, HEADER, KEY))

    assert header == HEADER
    assert header.text("LB") == "province/load/1/3DES"
    assert header.text("KC") is None


def test_another_transport_key_opens_nothing() -> None:
    with pytest.raises(KeyBlockRefused, match="another transport key"):
        tr31.unwrap(PROTECTION[:16], tr31.wrap(PROTECTION, HEADER, KEY))


@pytest.mark.parametrize(
    ("block", "why"),
    [
        pytest.param("B0096P0TE00N0000" + "0" * 80, "version D", id="version B"),
        pytest.param("D0095P0TE00N0000" + "0" * 80, "length", id="another length"),
        pytest.param("D9999P0TE00N0000" + "0" * 9983, "length", id="too long"),
        pytest.param("D0048P0TE00N0000" + "0" * 32, "whole blocks", id="no key"),
        pytest.param("D0096P0TE00N0000" + "g" * 80, "whole blocks", id="no digits"),
        pytest.param("D0098P0TE00N0000" + "0" * 82, "whole blocks", id="half a block"),
        pytest.param("D0032P0TE00N0100LB03" + "0" * 12, "optional", id="shorter than its own head"),
        pytest.param("D0032P0TE00N0100LBFF" + "0" * 12, "optional", id="longer than the block"),
        pytest.param("D0032P0TE00N0100LB00" + "0" * 12, "optional", id="extended length"),
        pytest.param("D0036P0TE00N0100LB14" + "\x07" * 16, "optional", id="unprintable"),
        pytest.param("D0032P0TE00N0100l" + "0" * 15, "optional", id="no name"),
        pytest.param("D0036P0TE00N0200LB08aaaaLB0Cbbbbbbbb", "twice", id="twice"),
        pytest.param("D0036P0TE00N0200PB0800LB0C000000000000"[:36], "optional", id="cut"),
        pytest.param("D0032P0TE00N0200PB080000LB080000", "padding", id="padding before the end"),
        pytest.param("D0020P0TE00N0100LB04", "cipher blocks", id="unaligned"),
    ],
)
def test_a_malformed_block_is_refused(block: str, why: str) -> None:
    with pytest.raises(KeyBlockRefused, match=why):
        tr31.unwrap(PROTECTION, block)


@pytest.mark.parametrize("bits", [0, 7, 129, 8 * 31, 0xFFF8])
def test_an_impossible_length_inside_a_genuine_block_is_refused(bits: int) -> None:
    payload = bytearray(bits.to_bytes(2, "big") + bytes(30))
    head = HEADER.encode(2 * len(payload) + 32)
    mac, cipher = tr31._sealed(PROTECTION, head, payload)

    with pytest.raises(KeyBlockRefused, match="impossible length"):
        tr31.unwrap(PROTECTION, f"{head}{cipher.hex().upper()}{mac.hex().upper()}")
