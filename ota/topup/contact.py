"""What a card is asked when it is met: the challenge, and the traces that an earlier load would have left."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ota.card import purse, reading
from ota.card.apdu import Response
from ota.card.batch import BatchCommand, Checked
from ota.card.journal import LogRecord
from ota.card.problems import MalformedAnswer
from ota.card.purse import Load
from ota.card.status import StatusPattern
from ota.cities.profile import TerminalNumberMode
from ota.core.values import Fen, Mac4, TerminalNumber
from ota.topup.attempts import Attempt
from ota.topup.challenges import Challenge
from ota.topup.orders import TopupOrder
from ota.topup.rules import LoadRules

Trace = TypeVar("Trace")

ANYTHING = StatusPattern("....")
_JOURNAL_DEPTH = 2
"""Our own load is the newest line, or the second where one purchase came after it; MAC1 is the proof anyway."""


@dataclass(frozen=True, slots=True)
class Contact:
    """One meeting with a card: the order it is for, the question, and the live attempt that it must settle."""

    order: TopupOrder
    challenge: Challenge
    live: Attempt | None
    rules: LoadRules

    @property
    def opening(self) -> tuple[BatchCommand, ...]:
        """SELECT, the traces of the live attempt if there is one, and INITIALIZE FOR LOAD last."""
        commands = [BatchCommand(self.rules.select.encode(), note="SELECT T-Union")]
        commands += _trace_commands(self.live, self.rules) if self.live is not None else ()
        initialise = purse.initialize_for_load(
            self.rules.purse.key_index, self.challenge.amount, self.challenge.terminal.to_bytes()
        )
        commands.append(BatchCommand(initialise.encode(), note="INITIALIZE FOR LOAD"))
        return tuple(commands)


@dataclass(frozen=True, slots=True)
class Traces:
    """What the card showed of an earlier load: TACs it gave, and lines of its journal."""

    tacs: tuple[Mac4, ...] = ()
    records: tuple[LogRecord, ...] = ()

    def in_journal(self, load: Load) -> bool:
        """Whether a line of the journal is this load."""
        return any(record.shows(load) for record in self.records)


def new_challenge(order: TopupOrder, live: Attempt | None, rules: LoadRules) -> Challenge:
    """Make a question that only a fresh answer fits.

    The nonce stands in the terminal number. Where the issuer fixes that number it stands in the amount, which then
    differs from the amount of the live attempt: an old MAC2 must not fit the new question (CARD.md 6).
    """
    if rules.city.load.terminal_number is TerminalNumberMode.NONCE:
        terminal = TerminalNumber(f"{secrets.randbelow(10**12):012d}")
        return _challenge(order, live, terminal.digits, terminal, order.amount)
    terminal = rules.city.load.fixed_number or TerminalNumber("0" * 12)
    amount = order.amount if live is None else _other_amount(live.load.amount, rules)
    return _challenge(order, live, secrets.token_hex(8), terminal, amount)


def read_traces(sent: Sequence[BatchCommand], report: Checked) -> Traces:
    """Collect the traces out of the answers to an opening; what is malformed is no trace."""
    pairs = list(zip(sent, report.responses, strict=False))
    tacs = [_tac(answer) for command, answer in pairs if command.command[:2] == b"\x80\x5a"]
    records = [_record(answer) for command, answer in pairs if command.command[:2] == b"\x00\xb2"]
    return Traces(tuple(_present(tacs)), tuple(_present(records)))


def _challenge(
    order: TopupOrder, live: Attempt | None, nonce: str, terminal: TerminalNumber, amount: Fen
) -> Challenge:
    return Challenge(nonce, order.card, order.id, terminal, amount, live.id if live is not None else None)


def _other_amount(pending: Fen, rules: LoadRules) -> Fen:
    """A random amount that the purse would take, other than the pending one."""
    span = max(2, rules.city.limits.min_load.amount)
    amount = 1 + secrets.randbelow(span)
    return Fen(amount if amount != pending.amount else amount + 1)


def _trace_commands(live: Attempt, rules: LoadRules) -> Iterable[BatchCommand]:
    for counter in rules.prove.counters(live.counter):
        command = purse.get_transaction_prove(counter)
        yield BatchCommand(command.encode(), ANYTHING, "GET TRANSACTION PROVE")
    for sfi in rules.purse.log_files:
        for number in range(1, _JOURNAL_DEPTH + 1):
            yield BatchCommand(reading.read_record(sfi, number).encode(), ANYTHING, "READ RECORD")


def _tac(answer: Response) -> Mac4 | None:
    if not answer.sw.is_success:
        return None
    try:
        return purse.parse_prove(answer.data).tac
    except MalformedAnswer:
        return None


def _record(answer: Response) -> LogRecord | None:
    if not answer.sw.is_success:
        return None
    try:
        return LogRecord.parse(answer.data)
    except MalformedAnswer:
        return None


def _present(values: Iterable[Trace | None]) -> Iterable[Trace]:
    return (value for value in values if value is not None)
