"""How much a batch's bookkeeping costs over what nobody can avoid: hashing its bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from benchmarks.measure import Case, Comparison, compare
from ota.card.batch import Batch, BatchCommand, BatchResult, Report, check_report
from ota.card.status import StatusWord

COMMANDS = 20  # what an issuance sends in its longest exchange


def bench(seconds: float) -> Iterator[Comparison]:
    """Check and hash a report of twenty results."""
    batch = Batch(tuple(BatchCommand(bytes.fromhex("84E2080080") + bytes(128)) for _ in range(COMMANDS)))
    results = tuple(BatchResult(number, StatusWord(0x9000)) for number in range(1, COMMANDS + 1))
    report = Report(COMMANDS, results)
    plain = b"".join(command.command for command in batch)

    yield compare(
        "A report of twenty commands",
        Case("hash the bytes", lambda: hashlib.sha256(plain).hexdigest()),
        Case("hash batch and report", lambda: report.digest(batch)),
        Case("check the report", lambda: check_report(batch, report)),
        seconds=seconds,
    )
