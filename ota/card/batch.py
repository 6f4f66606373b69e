"""A batch of commands for a phone or terminal, its report, and what makes a report believable (PROTOCOL.md)."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from ota.card.apdu import MAX_RESPONSE_DATA, Command, Response
from ota.card.status import StatusPattern, StatusWord
from ota.core.errors import InvalidReport, InvalidValue

MAX_COMMANDS: Final = 255


class TransportError(StrEnum):
    """Why a phone could not go on talking to its secure element."""

    SE_UNAVAILABLE = "se_unavailable"
    ACCESS_DENIED = "access_denied"
    TIMEOUT = "timeout"
    APP_BACKGROUND = "app_background"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, repr=False)
class BatchCommand:
    """One command as it is sent, the status words that let the batch go on, and a note for people.

    Its repr shows the header only.
    """

    command: bytes
    expect: StatusPattern = field(default_factory=StatusPattern)
    note: str = ""

    def __post_init__(self) -> None:
        Command.parse(self.command)

    def __repr__(self) -> str:
        return (
            f"BatchCommand({self.command[:4].hex().upper()}, {len(self.command)} bytes, expect={self.expect})"
        )


@dataclass(frozen=True, slots=True)
class Batch:
    """Commands to run in order, numbered from 1, stopping at the first status word that was not expected."""

    commands: tuple[BatchCommand, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.commands) <= MAX_COMMANDS:
            raise InvalidValue("commands", f"1 to {MAX_COMMANDS} commands")

    def __iter__(self) -> Iterator[BatchCommand]:
        return iter(self.commands)

    def __len__(self) -> int:
        return len(self.commands)

    @property
    def digest(self) -> str:
        """``sha256:`` and the hash of one ASCII line ``number APDU expectation`` per command."""
        lines = (
            f"{number} {command.command.hex().upper()} {command.expect}\n"
            for number, command in enumerate(self.commands, start=1)
        )
        return _digest(lines)


@dataclass(frozen=True, slots=True, repr=False)
class BatchResult:
    """What the card answered to command ``i``. Its repr shows no data."""

    i: int
    sw: StatusWord
    data: bytes = b""

    def __post_init__(self) -> None:
        if not 1 <= self.i <= MAX_COMMANDS:
            raise InvalidValue("i", f"1 to {MAX_COMMANDS}")
        if len(self.data) > MAX_RESPONSE_DATA:
            raise InvalidValue("data", f"up to {MAX_RESPONSE_DATA} bytes")

    def __repr__(self) -> str:
        return f"BatchResult({self.i}, {self.sw}, {len(self.data)} bytes)"

    @property
    def response(self) -> Response:
        """The answer as a card gives it."""
        return Response(self.data, self.sw)


@dataclass(frozen=True, slots=True)
class Report:
    """What a phone says about a batch: how many commands it ran, the answers, and why it stopped if it did."""

    executed: int
    results: tuple[BatchResult, ...]
    stopped_at: int | None = None
    transport_error: TransportError | None = None

    def digest(self, batch: Batch) -> str:
        """``sha256:`` and the hash over the batch's digest, one line per result and one for the ending."""
        lines = [f"{batch.digest}\n"]
        lines += [f"{result.i} {result.sw} {result.data.hex().upper()}\n" for result in self.results]
        stopped = "-" if self.stopped_at is None else str(self.stopped_at)
        lines.append(f"stopped_at={stopped} transport_error={self.transport_error or '-'}\n")
        return _digest(lines)


@dataclass(frozen=True, slots=True)
class Checked:
    """A report that fits its batch. ``stopped_at`` is the command that ended it early, None when all ran.

    A command without a result (transport error) may still have run on the card: treat it as unknown.
    """

    responses: tuple[Response, ...]
    stopped_at: int | None
    transport_error: TransportError | None

    @property
    def is_complete(self) -> bool:
        """Whether every command ran and answered as expected."""
        return self.stopped_at is None

    @property
    def mismatch(self) -> Response | None:
        """The unexpected answer that stopped the batch; None when it ran through or the transport broke."""
        if self.stopped_at is None or self.transport_error is not None:
            return None
        return self.responses[-1]

    def response(self, i: int) -> Response | None:
        """The answer to command ``i`` (from 1), or None when there is none."""
        return self.responses[i - 1] if 1 <= i <= len(self.responses) else None


def check_report(batch: Batch, report: Report) -> Checked:
    """Hold a report against its batch; raises InvalidReport naming the first contradiction.

    Believable are three endings: all commands ran and matched; the last answer did not match and ``stopped_at``
    names it; or a transport error struck at ``stopped_at`` (or null), the command after the last answer.
    """
    _require(len(report.results) <= len(batch), "it has more results than the batch has commands")
    _require(report.executed == len(report.results), "executed is not the number of results")
    for number, result in enumerate(report.results, start=1):
        _require(result.i == number, f"result {number} is numbered otherwise")

    unexpected = [
        result.i
        for result, command in zip(report.results, batch, strict=False)
        if not command.expect.matches(result.sw)
    ]
    _require(
        unexpected in ([], [len(report.results)]), "it goes on after an answer that should have stopped it"
    )
    ending = _ending(batch, report, unexpected)
    # A phone whose transport broke may not know at which command.
    unsure = report.stopped_at is None and report.transport_error is not None
    _require(unsure or report.stopped_at == ending, "stopped_at contradicts the results")
    return Checked(tuple(result.response for result in report.results), ending, report.transport_error)


def _ending(batch: Batch, report: Report, unexpected: list[int]) -> int | None:
    """The only ``stopped_at`` that fits the results."""
    if report.transport_error is not None:
        _require(not unexpected, "it names both an unexpected answer and a transport error")
        _require(
            len(report.results) < len(batch), "it names a transport error though every command was answered"
        )
        return len(report.results) + 1
    if unexpected:
        return unexpected[0]
    _require(len(report.results) == len(batch), "results are missing and nothing says why")
    return None


def _require(holds: bool, why: str) -> None:  # noqa: FBT001  reads as a claim
    if not holds:
        raise InvalidReport(why)


def _digest(lines: Iterator[str] | list[str]) -> str:
    return "sha256:" + hashlib.sha256("".join(lines).encode("ascii")).hexdigest()
