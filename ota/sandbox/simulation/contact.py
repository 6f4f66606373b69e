"""A reader's contact with a card in virtual time: commands run one by one, and everything may happen in between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ota.sandbox.batch import Order, Result, fits
from ota.sandbox.element import CREDIT, Instant, TornCard
from ota.sandbox.reader import Answer
from ota.sandbox.simulation.cards import Card
from ota.sandbox.simulation.faults import Fault, Luck
from ota.sandbox.simulation.schedule import Pause, Steps

INITIALISE: Final = "80500002"
_CREDIT: Final = "80520000"
_COMMAND_S: Final = 0.03
_REFUSALS: Final = (0x6985, 0x6A86, 0x9302, 0x6F00)
_BUILDING: Final = frozenset({"E2", "E4", "E6"})
"""STORE DATA, DELETE, INSTALL."""
_REFUSALS_OF_A_BUILD: Final = (0x6A84, 0x6A80, 0x6985, 0x6581, 0x6F00)


@dataclass(frozen=True, slots=True)
class Told:
    """How a batch went: what was answered, the command that ended it early, and how."""

    results: list[Result]
    stopped_at: int | None = None
    error: str | None = None


def run(card: Card, orders: Sequence[Order], luck: Luck) -> Steps[Told]:
    """Run commands up to the first unexpected answer or the loss of the card."""
    results: list[Result] = []
    for order in orders:
        yield Pause(_COMMAND_S)
        if luck.strikes(Fault.CARD_SLOW, order.note):
            yield Pause(luck.choice.uniform(1, 40))
        answer = transmit(card, order.apdu, luck)
        if answer is None:
            return Told(results, order.i, "se_unavailable")
        results.append(Result(order.i, answer))
        if not fits(order.expect, answer.sw):
            return Told(results, order.i)
    return Told(results)


def transmit(card: Card, apdu: str, luck: Luck) -> Answer | None:
    """Send one command; None when the card was torn off the reader."""
    if luck.strikes(Fault.TORN_BEFORE, apdu[:8]):
        card.element.reset()
        return None
    if apdu.startswith((INITIALISE, _CREDIT)) and luck.strikes(Fault.CARD_REFUSES, apdu[:8]):
        return Answer(b"", luck.choice.choice(_REFUSALS))
    if apdu[2:4] in _BUILDING and luck.strikes(Fault.ELEMENT_REFUSES, apdu[:8]):
        card.element.faults.answer(int(apdu[2:4], 16), luck.choice.choice(_REFUSALS_OF_A_BUILD))
    if apdu.startswith(_CREDIT):
        _plan_tear(card, luck)
    try:
        raw = card.transmit(bytes.fromhex(apdu))
    except TornCard:
        return None
    finally:
        card.element.faults.clear()
    if luck.strikes(Fault.TORN_AFTER, apdu[:8]):
        card.element.reset()
        return None
    answer = Answer(raw[:-2], int.from_bytes(raw[-2:], "big"))
    if apdu.startswith(INITIALISE) and answer.ok:
        card.readings.append((apdu[12:32], answer.data))
    return answer


def _plan_tear(card: Card, luck: Luck) -> None:
    if luck.strikes(Fault.TORN_BEFORE_WRITE):
        card.element.faults.cut_inside(CREDIT, Instant.BEFORE_WRITE)
    elif luck.strikes(Fault.TORN_AFTER_WRITE):
        card.element.faults.cut_inside(CREDIT, Instant.AFTER_WRITE)
