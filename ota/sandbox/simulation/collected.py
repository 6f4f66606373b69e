"""Answers that a card's owner collects before a load, where the terminal number is fixed and only the amount can ask."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random
from typing import Final

from ota.sandbox.batch import Batch, Result
from ota.sandbox.element import TornCard
from ota.sandbox.reader import Answer
from ota.sandbox.simulation.cards import Card
from ota.sandbox.simulation.contact import INITIALISE, Told
from ota.sandbox.simulation.practice import FIXED_NUMBER

_CREDIT: Final = "80520000"
_AMOUNT, _TERMINAL = slice(12, 20), slice(20, 32)
_WITHOUT_TRACES: Final = 2
"""Commands of a question that asks after no earlier load: SELECT and INITIALIZE FOR LOAD."""
_DENIES, _PLAYS = 0.6, 0.8
_OK: Final = 0x9000
_NO_TRACE: Final = 0x9406


@dataclass
class Collection:
    """One for each amount that the platform may ask with: it deceives whoever takes it for an answer of now."""

    _answers: dict[str, bytes] = field(default_factory=dict, repr=False)

    @staticmethod
    def fits(batch: Batch) -> bool:
        """Whether the question of a batch, if it ends in one, is of a city that fixes the terminal number."""
        last = batch.orders[-1].apdu
        return last.startswith(INITIALISE) and last[_TERMINAL] == FIXED_NUMBER.digits

    def gather(self, card: Card, batch: Batch) -> None:
        """Have the card answer everything now, at the counter that it has now."""
        question = batch.orders[-1].apdu
        least = card.city.limits.min_load.amount
        amounts = {f"{fen:08X}" for fen in range(1, least + 2)} | {question[_AMOUNT]}
        try:
            card.transmit(bytes.fromhex(batch.orders[0].apdu))
            for amount in sorted(amounts):
                asked = question[: _AMOUNT.start] + amount + question[_AMOUNT.stop :]
                raw = card.transmit(bytes.fromhex(asked))
                if int.from_bytes(raw[-2:], "big") == _OK:
                    self._answers[amount] = raw[:-2]
        except TornCard:
            self._answers.clear()

    def knows(self, batch: Batch) -> bool:
        """Whether the question of a batch can be answered out of the collection."""
        return self.fits(batch) and batch.orders[-1].apdu[_AMOUNT] in self._answers

    def hides(self, batch: Batch, random: Random) -> bool:
        """Whether the owner denies that a credit reached the card."""
        is_credit = bool(self._answers) and batch.orders[0].apdu.startswith(_CREDIT)
        return is_credit and random.random() < _DENIES

    def plays(self, batch: Batch, random: Random) -> bool:
        """Whether the owner answers out of the collection: most of all where the question is about an earlier load."""
        if not self.knows(batch):
            return False
        is_probe = len(batch.orders) > _WITHOUT_TRACES
        return random.random() < (_PLAYS if is_probe else 1 - _PLAYS)

    def instead(self, batch: Batch, told: Told) -> Told:
        """A whole answer to a batch with the collected one in it, and no trace of anything since."""
        if told.error is not None or told.stopped_at is not None:
            return told
        silent = [
            replace(each, answer=Answer(b"", _NO_TRACE)) if each.i > 1 else each for each in told.results[:-1]
        ]
        collected = Answer(self._answers[batch.orders[-1].apdu[_AMOUNT]], _OK)
        return Told([*silent, Result(told.results[-1].i, collected)])
