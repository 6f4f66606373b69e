"""Reports that a lying phone hands in instead of the true one, or before it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from random import Random
from typing import Final

from ota.sandbox.batch import Batch, Report, Result, report_of
from ota.sandbox.reader import Answer
from ota.sandbox.simulation.cards import Card
from ota.sandbox.simulation.contact import INITIALISE, Told
from ota.sandbox.simulation.faults import Fault, Luck

_CREDIT: Final = "80520000"
_WORDS: Final = (0x9000, 0x6985, 0x6A82, 0x9302, 0x9401, 0x6283, 0x63C2, 0x0000)
_NO_TRACE: Final = (0x9406, 0x6A83)


def true_report(batch: Batch, told: Told) -> Report:
    """What an honest phone says."""
    return report_of(batch, told.results, told.stopped_at, told.error)


def lies(batch: Batch, told: Told, card: Card, luck: Luck) -> Iterator[tuple[Fault, Report]]:
    """The lies that this phone tries before it tells the truth, in the order in which it tries them."""
    random = luck.choice
    if luck.strikes(Fault.LYING_STATUS) and told.results:
        yield Fault.LYING_STATUS, _report(batch, _with_other_status(told.results, random))
    if luck.strikes(Fault.LYING_BYTES) and any(each.answer.data for each in told.results):
        yield Fault.LYING_BYTES, _report(batch, _with_other_bytes(told.results, random))
    if luck.strikes(Fault.FALSE_FAILURE) and told.results:
        kept = told.results[: random.randrange(len(told.results))]
        yield Fault.FALSE_FAILURE, report_of(batch, kept, len(kept) + 1, "timeout")
    if luck.strikes(Fault.OLD_ANSWER) and batch.orders[-1].apdu.startswith(INITIALISE):
        yield from _old_answers(batch, told, card, random)
    if luck.strikes(Fault.WRONG_SEQ):
        ahead = replace(batch, seq=max(1, batch.seq + random.choice((-1, 1, 5))))
        yield Fault.WRONG_SEQ, true_report(ahead, told)


def false_success(batch: Batch, random: Random) -> Told | None:
    """A credit that never reached the card, reported with a TAC out of the air; None for a batch without one."""
    if not batch.orders[0].apdu.startswith(_CREDIT):
        return None
    made_up = [Answer(random.randbytes(4), 0x9000), Answer(random.randbytes(4), 0x9000)]
    return Told([Result(i, answer) for i, answer in enumerate(made_up[: len(batch.orders)], start=1)])


def other_report(batch: Batch, told: Told, random: Random) -> Report:
    """A second report for the same batch that says something else."""
    if told.results:
        return _report(batch, _with_other_status(told.results, random))
    return report_of(batch, [], 1, "app_background")


def _old_answers(batch: Batch, told: Told, card: Card, random: Random) -> Iterator[tuple[Fault, Report]]:
    """Answers to INITIALIZE FOR LOAD that the card gave before, and no trace of anything since."""
    silent = [Result(order.i, Answer(b"", random.choice(_NO_TRACE))) for order in batch.orders[1:-1]]
    for _, data in random.sample(card.readings[:-1], min(3, len(card.readings[:-1]))):
        results = [*told.results[:1], *silent, Result(len(batch.orders), Answer(data, 0x9000))]
        if len(results) == len(batch.orders):
            yield Fault.OLD_ANSWER, report_of(batch, results, None, None)


def _report(batch: Batch, results: Sequence[Result]) -> Report:
    """A report that is in itself in order, whatever its words are worth."""
    stopped = next((each.i for each in results if each.answer.sw != 0x9000), None)
    kept = results if stopped is None or len(results) == len(batch.orders) else results[:stopped]
    return report_of(
        batch, kept, None if len(kept) == len(batch.orders) and stopped is None else stopped, None
    )


def _with_other_status(results: Sequence[Result], random: Random) -> list[Result]:
    changed = list(results)
    at = random.randrange(len(changed))
    changed[at] = replace(changed[at], answer=replace(changed[at].answer, sw=random.choice(_WORDS)))
    return changed


def _with_other_bytes(results: Sequence[Result], random: Random) -> list[Result]:
    changed = list(results)
    at = random.choice([index for index, each in enumerate(changed) if each.answer.data])
    data = bytearray(changed[at].answer.data)
    data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    changed[at] = replace(changed[at], answer=replace(changed[at].answer, data=bytes(data)))
    return changed
