from __future__ import annotations

import pytest

from ota.sandbox.element import CREDIT, DEBIT, Element, Instant, PowerCut, TornCard
from tests.sandbox.element.cards import TUNION, balance, begin_load, load, select
from tests.sandbox.element.host import say, sw
from tests.sandbox.element.test_purchase import COMPOUND, JOURNEY, Terminal


@pytest.mark.parametrize(
    ("instant", "after", "counter"), [(Instant.BEFORE_WRITE, 0, 0), (Instant.AFTER_WRITE, 5000, 1)]
)
def test_a_credit_torn_inside_is_done_or_not(
    card: Element, instant: Instant, after: int, counter: int
) -> None:
    credit = begin_load(card, 5000).credit()
    card.faults.cut_inside(CREDIT, instant)

    with pytest.raises(PowerCut):
        sw(card, credit)

    select(card, TUNION)
    assert balance(card) == after
    assert int.from_bytes(begin_load(card, 1).answer[4:6], "big") == counter
    assert sw(card, "00B201C417") == ("9000" if counter else "6A83")
    assert sw(card, "805A000202000008") == ("9000" if counter else "6985")


@pytest.mark.parametrize(("instant", "after"), [(Instant.BEFORE_WRITE, 5000), (Instant.AFTER_WRITE, 4800)])
def test_a_compound_debit_torn_inside_is_done_or_not(card: Element, instant: Instant, after: int) -> None:
    load(card, 5000)
    terminal = Terminal(card)
    terminal.begin(200, COMPOUND)
    sw(card, "80DC00F030" + JOURNEY)
    card.faults.cut_inside(DEBIT, instant)

    with pytest.raises(TornCard):
        sw(card, terminal.debit())

    select(card, TUNION)
    assert balance(card) == after
    assert sw(card, "00B201F430") == ("9000" if after == 4800 else "6A83")


@pytest.mark.parametrize(("where", "loaded"), [("before", 0), ("after", 5000)])
def test_the_power_goes_between_commands(card: Element, where: str, loaded: int) -> None:
    credit = begin_load(card).credit()
    getattr(card.faults, f"cut_{where}")(2)

    assert sw(card, "805C000204") == "9000"
    with pytest.raises(PowerCut):
        sw(card, credit)

    assert sw(card, credit) == "6D00"  # the issuer's domain is selected after a power-up
    select(card, TUNION)
    assert balance(card) == loaded


def test_an_accident_happens_once(card: Element) -> None:
    card.faults.cut_inside(CREDIT, Instant.BEFORE_WRITE)
    with pytest.raises(PowerCut):
        load(card)
    select(card, TUNION)

    assert load(card)


def test_a_planned_answer_replaces_the_command(card: Element) -> None:
    card.faults.answer(0x50, 0x6A84, times=2)

    answers = [say(card, "805000020B010000000158100000000110")[1] for _ in range(3)]

    assert answers == ["6A84", "6A84", "9000"]


def test_planned_accidents_can_be_called_off(card: Element) -> None:
    card.faults.cut_before(1)
    card.faults.cut_after(1)
    card.faults.cut_inside(CREDIT, Instant.AFTER_WRITE)
    card.faults.answer(0x50, 0x6A84)

    card.faults.clear()

    assert load(card)
