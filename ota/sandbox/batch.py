"""A phone's side of a batch: check that it arrived whole, run it, stop where told, report (PROTOCOL.md, sessions).

Written from the protocol, not from the platform's code: if both are wrong, they should not be wrong in the same way.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ota.sandbox.reader import Answer, Reader
from ota.sandbox.transport import CardGone

_EXPECTATION = re.compile(r"[0-9A-F.]{4}(\|[0-9A-F.]{4})*")


class BatchRefused(Exception):
    """The batch did not arrive as it was sent, or asks for something that this phone cannot do."""


@dataclass(frozen=True, slots=True)
class Order:
    """One command of a batch, the pattern of status words that let the batch go on, and what it is for."""

    i: int
    apdu: str
    expect: str
    note: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Commands of one answer of the platform; ``seq`` is the number that the report must carry."""

    session_id: str
    seq: int
    digest: str
    orders: tuple[Order, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """What the card answered to command ``i``."""

    i: int
    answer: Answer


Report = dict[str, Any]
"""The body of POST /v1/sessions/{id}/results."""


def read_batch(answer: Mapping[str, Any]) -> Batch:
    """The batch inside an answer of state ``continue``; raises BatchRefused when its digest does not fit."""
    orders = read_orders(answer["commands"])
    if answer["digest"] != batch_digest(orders):
        raise BatchRefused("the digest of the batch does not fit its commands")
    if answer["on_mismatch"] != "stop":
        raise BatchRefused(f"on_mismatch {answer['on_mismatch']!r}: this phone knows only 'stop'")
    return Batch(answer["session_id"], answer["seq"], answer["digest"], orders)


def read_orders(commands: Sequence[Mapping[str, Any]]) -> tuple[Order, ...]:
    """The commands, numbered from 1 without a gap; raises BatchRefused."""
    orders = tuple(
        Order(each["i"], each["apdu"], each["expect"], each.get("note") or "") for each in commands
    )
    for number, order in enumerate(orders, start=1):
        if order.i != number or not _EXPECTATION.fullmatch(order.expect):
            raise BatchRefused(f"command {number} is numbered {order.i} and expects {order.expect!r}")
    return orders


def batch_digest(orders: Sequence[Order]) -> str:
    """``sha256:`` over one line ``number APDU expectation`` for each command."""
    return _sha256("".join(f"{order.i} {order.apdu.upper()} {order.expect}\n" for order in orders))


def fits(expect: str, sw: int) -> bool:
    """Whether a status word lets the batch go on: hex digits, ``.`` for any one, ``|`` between alternatives."""
    return re.fullmatch(expect, f"{sw:04X}") is not None


def run(
    reader: Reader, orders: Sequence[Order], after: Callable[[Order], None] | None = None
) -> tuple[list[Result], int | None, str | None]:
    """Run commands in order up to the first unexpected answer.

    Returns the results, the number of the command that ended it early, and the transport error if one did.
    ``after`` is told each command that was answered and may raise.
    """
    results: list[Result] = []
    for order in orders:
        try:
            answer = reader.send(order.apdu, order.note)
        except CardGone as gone:
            return results, order.i, gone.reason
        results.append(Result(order.i, answer))
        if after is not None:
            after(order)
        if not fits(order.expect, answer.sw):
            return results, order.i, None
    return results, None, None


def report_of(
    batch: Batch, results: Sequence[Result], stopped_at: int | None, transport_error: str | None
) -> Report:
    """What is sent back, with its digest over batch, results and ending."""
    lines = [f"{batch.digest}\n"]
    lines += [f"{each.i} {each.answer.sw_hex} {each.answer.data.hex().upper()}\n" for each in results]
    lines.append(f"stopped_at={stopped_at or '-'} transport_error={transport_error or '-'}\n")
    return {
        "seq": batch.seq,
        "digest": _sha256("".join(lines)),
        "executed": len(results),
        "results": [result_view(each) for each in results],
        "stopped_at": stopped_at,
        "transport_error": transport_error,
    }


def result_view(result: Result) -> dict[str, Any]:
    """One result as it is sent: without the field ``data`` when there is none."""
    view: dict[str, Any] = {"i": result.i, "sw": result.answer.sw_hex}
    if result.answer.data:
        view["data"] = result.answer.data.hex().upper()
    return view


def _sha256(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode("ascii")).hexdigest()
