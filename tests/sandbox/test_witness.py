"""An independent eye on a load, held against the load that was recorded from a chip (CARD.md 4)."""

from __future__ import annotations

import pytest

from ota.sandbox import witness
from ota.sandbox.element import Algorithm
from ota.sandbox.reader import Answer, Spoken
from ota.sandbox.witness import NothingToWitness, Verdict, card_key, examine

TRUE = Verdict(mac1_ok=True, mac2_ok=True, tac_ok=True)
RECORDED = {"load": "374598B5C0B0EAE1E1D06609AC5BB369", "tac": "CAA6025290114BFCC3C9043F70F7A07A"}
INIT = "805000020B0100001C3700000100005010"
TOLD = "00000000" + "0000" + "0100" + "CDEF4F20" + "06B1BEF5"
CREDIT = "805200000B201408251031000641DCD804"
TAC = "ED0F8755"


def said(command: str, data: str, sw: int = 0x9000) -> Spoken:
    return Spoken(bytes.fromhex(command), Answer(bytes.fromhex(data), sw), 0.0)


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The keys of the recorded chip instead of diversified test masters."""
    monkeypatch.setattr(witness, "card_key", lambda role, _algorithm, _factors: bytes.fromhex(RECORDED[role]))


@pytest.mark.usefixtures("recorded")
def test_a_recorded_load_holds() -> None:
    spoken = [said("00A4040000", ""), said(INIT, TOLD), said(CREDIT, TAC), said("805C000204", "00001C37")]

    assert examine(spoken, []) == TRUE


@pytest.mark.usefixtures("recorded")
@pytest.mark.parametrize(
    ("told", "credit", "tac", "expected"),
    [
        (TOLD[:-1] + "6", CREDIT, TAC, Verdict(mac1_ok=False, mac2_ok=True, tac_ok=True)),
        (TOLD, CREDIT[:-3] + "904", TAC, Verdict(mac1_ok=True, mac2_ok=False, tac_ok=True)),
        (TOLD, CREDIT, "ED0F8754", Verdict(mac1_ok=True, mac2_ok=True, tac_ok=False)),
        ("00000001" + TOLD[8:], CREDIT, TAC, Verdict(mac1_ok=False, mac2_ok=True, tac_ok=False)),
    ],
)
def test_a_changed_digit_does_not(told: str, credit: str, tac: str, expected: Verdict) -> None:
    assert examine([said(INIT, told), said(credit, tac)], []) == expected


@pytest.mark.parametrize(
    "spoken",
    [
        [],
        [said(INIT, TOLD)],
        [said(CREDIT, TAC)],
        [said(INIT, TOLD), said(CREDIT, "", 0x9302)],
        [said(CREDIT, TAC), said(INIT, TOLD)],
        [said(INIT, TOLD[:14] + "7F" + TOLD[16:]), said(CREDIT, TAC)],
    ],
)
def test_without_a_whole_load_there_is_nothing_to_say(spoken: list[Spoken]) -> None:
    with pytest.raises(NothingToWitness):
        examine(spoken, [])


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_a_cards_key_is_derived_level_by_level(algorithm: Algorithm) -> None:
    factors = [bytes(range(8)), bytes(range(8, 16))]

    keys = [card_key("load", algorithm, factors[:levels]) for levels in range(3)]

    assert len({*keys}) == 3
    assert all(len(key) == 16 for key in keys)
