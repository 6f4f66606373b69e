"""A reader takes the detours that other cards make."""

from __future__ import annotations

import pytest

from ota.sandbox.reader import Reader, Spoken, has_data_and_le, with_le
from ota.sandbox.transport import CardGone
from tests.sandbox.cards import ScriptedCard

SELECT = "00A4040008A00000063201010500"


@pytest.mark.parametrize(
    ("answers", "sent", "expected"),
    [
        (["6F009000"], [SELECT], "6F00 9000"),
        (["6103", "0102039000"], [SELECT, "00C0000003"], "010203 9000"),
        (["6102", "01026101", "039000"], [SELECT, "00C0000002", "00C0000001"], "010203 9000"),
        (["6C10", "AA9000"], [SELECT, SELECT[:-2] + "10"], "AA 9000"),
        (["6700", "6F009000"], [SELECT, SELECT[:-2]], "6F00 9000"),
        (["6700", "6102", "6F009000"], [SELECT, SELECT[:-2], "00C0000002"], "6F00 9000"),
        (["6700", "6700"], [SELECT, SELECT[:-2]], " 6700"),
        (["6A82"], [SELECT], " 6A82"),
    ],
)
def test_a_detour_is_not_seen_from_outside(answers: list[str], sent: list[str], expected: str) -> None:
    card = ScriptedCard(*answers)

    answer = Reader(card).send(SELECT)

    assert f"{answer.data.hex().upper()} {answer.sw_hex}" == expected
    assert card.sent == sent


@pytest.mark.parametrize("command", ["84E60C0003AABBCC00", "00A4040003AABBCC", "00B095001E", "00B09500"])
def test_a_refused_length_is_final_without_a_le_to_drop_or_with_a_mac(command: str) -> None:
    card = ScriptedCard("6700")

    answer = Reader(card).send(command)

    assert (answer.sw_hex, card.sent) == ("6700", [command])


def test_a_card_that_always_has_more_is_not_fetched_from_for_ever() -> None:
    card = ScriptedCard(*["AA6101"] * 20)

    answer = Reader(card).send(SELECT)

    assert answer.sw_hex == "6101"
    assert len(card.sent) == 9


def test_more_than_a_short_answer_can_hold_is_no_answer() -> None:
    card = ScriptedCard("AA" * 200 + "61FF", "BB" * 200 + "9000")

    with pytest.raises(CardGone, match="at most 256 bytes"):
        Reader(card).send(SELECT)


def test_every_command_is_told_to_whoever_listens() -> None:
    heard: list[Spoken] = []
    reader = Reader(ScriptedCard("6103", "0102039000", "6A82"), heard.append)

    with reader.keeping() as kept:
        reader.send(SELECT, "a note")
    reader.send("805C000204")

    assert [(each.command.hex().upper(), each.answer.sw_hex, each.note) for each in heard] == [
        (SELECT, "9000", "a note"),
        ("805C000204", "6A82", ""),
    ]
    assert kept == heard[:1]


def test_power_and_distance_are_the_transports_matter() -> None:
    card = ScriptedCard()
    reader = Reader(card)

    reader.reset()
    reader.close()

    assert (card.resets, card.closed) == (1, True)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("00B09500", "00B095001E"),
        ("00B0950000", "00B095001E"),
        ("00A4040002AABB", "00A4040002AABB1E"),
        ("00A4040002AABB00", "00A4040002AABB1E"),
    ],
)
def test_another_length_takes_the_place_of_le(command: str, expected: str) -> None:
    assert with_le(bytes.fromhex(command), 0x1E).hex().upper() == expected


@pytest.mark.parametrize(
    ("command", "expected"),
    [("00B09500", False), ("00B0950000", False), ("00A4040002AABB", False), ("00A4040002AABB00", True)],
)
def test_only_the_fourth_case_has_data_and_le(command: str, expected: bool) -> None:
    assert has_data_and_le(bytes.fromhex(command)) is expected
