"""Reading a card's number and balance."""

from __future__ import annotations

import pytest

from ota.sandbox.face import NotReadable, find_face, read_balance, read_face
from ota.sandbox.reader import Reader
from tests.sandbox.cards import TalkativeCard, begins

NUMBER = "3104870312345678906"
EF15 = f"02205810FFFFFFFF02010{NUMBER}2024071520401215" + "0000"
FCI = f"6F318408A000000632010105A5259F0801029F0C1E{EF15}"
BARE_FCI = "6F0A8408A000000632010105"
EMPTY_FCI = f"6F318408A000000632010105A5259F0801009F0C1E{'00' * 30}"


@pytest.mark.parametrize(
    ("answers", "reads"),
    [
        ({"00A404": FCI + "9000", "805C": "000013889000"}, 0),
        ({"00A404": FCI + "6A81", "805C": "000013889000"}, 0),
        ({"00A404": BARE_FCI + "9000", "00B095001E": EF15 + "9000", "805C": "000013889000"}, 1),
        ({"00A404": EMPTY_FCI + "9000", "00B095001E": EF15 + "9000", "805C": "800013889000"}, 1),
        ({"00A404": "9000", "00B0950000": EF15 + "00" * 8 + "9000", "805C": "000013889000"}, 2),
    ],
)
def test_a_card_tells_its_number_in_one_way_or_another(answers: dict[str, str], reads: int) -> None:
    card = TalkativeCard(answers)

    face = read_face(Reader(card))

    assert (face.card_no, face.ef15.hex().upper(), face.balance_fen) == (NUMBER, EF15, 5000)
    assert begins(card.sent, "00B095") == reads


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ({}, "6D00"),
        ({"00A404": "6A82"}, "6A82"),
        ({"00A404": BARE_FCI + "9000"}, "neither"),
        ({"00A404": BARE_FCI + "9000", "00B095": EF15[:40] + "9000"}, "neither"),
        ({"00A404": BARE_FCI + "9000", "00B095": "FF" * 30 + "9000"}, "neither"),
    ],
)
def test_a_card_without_a_number_is_not_readable(answers: dict[str, str], why: str) -> None:
    with pytest.raises(NotReadable, match=why):
        read_face(Reader(TalkativeCard(answers)))


def test_an_element_without_a_card_has_no_face() -> None:
    assert find_face(Reader(TalkativeCard({"00A404": "6A82"}))) is None


@pytest.mark.parametrize("answer", ["6985", "0000139000", "9000"])
def test_a_balance_that_is_not_told_is_none(answer: str) -> None:
    assert read_balance(Reader(TalkativeCard({"805C": answer}))) is None
