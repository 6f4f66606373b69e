"""Whatever is sent, the card answers a status word and keeps its money."""

from __future__ import annotations

from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from ota.sandbox.element import Element
from tests.sandbox.element.cards import (
    LINGNANTONG,
    PPSE,
    TICL,
    TUNION,
    balance,
    load,
    make,
    personalise,
    select,
)
from tests.sandbox.element.host import open_channel

INSTRUCTIONS = "A4B0B284208288D6DC50525C545A5EE61E18D424E4E6E2F0F2D8CA70C0"
HEADER = st.builds(
    lambda cla, ins, p1, p2: bytes((cla, ins, p1, p2)),
    st.sampled_from(bytes.fromhex("0004808490")),
    st.one_of(st.sampled_from(bytes.fromhex(INSTRUCTIONS)), st.integers(0, 255)),
    st.one_of(st.sampled_from(bytes.fromhex("00010204080C0E60688095FF")), st.integers(0, 255)),
    st.one_of(st.sampled_from(bytes.fromhex("000102031C8081C4F4")), st.integers(0, 255)),
)
BODY = st.binary(max_size=60).map(lambda data: bytes((len(data),)) + data if data else b"")
COMMAND = st.one_of(
    st.binary(max_size=300), st.builds(lambda *parts: b"".join(parts), HEADER, BODY, st.binary(max_size=1))
)


@cache
def card() -> Element:
    element = personalise(make())
    select(element, TUNION)
    load(element, 5000)
    return element


@settings(max_examples=400)
@given(st.sampled_from((TUNION, TICL, LINGNANTONG, PPSE, "A000000151000000")), st.lists(COMMAND, max_size=4))
def test_any_bytes_get_a_status_word_and_move_no_money(aid: str, commands: list[bytes]) -> None:
    element = card()
    select(element, aid)

    answers = [element.transmit(command) for command in commands]

    assert all(2 <= len(answer) <= 258 and answer[-2] >> 4 in (6, 9) for answer in answers)
    if select(element, TUNION)[1] == "9000":
        assert balance(element) == 5000


@settings(max_examples=300)
@given(HEADER, BODY)
def test_any_command_inside_a_session_gets_a_status_word(header: bytes, body: bytes) -> None:
    element = make()
    channel = open_channel(element, element.security_domains[1])

    answer = element.transmit(channel.wrap(header + body))

    assert len(answer) >= 2
    assert answer[-2] >> 4 in (6, 9)
