"""A phone for tests: runs batches on a virtual element in process and hands in reports, or lies about them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from werkzeug.test import TestResponse

from ota.sandbox.element.card_os import Element
from ota.sandbox.element.faults import TornCard

Batch = dict[str, Any]
Report = dict[str, Any]
Send = Callable[[str, Report], TestResponse]
Reply = Callable[[bytes], bytes]
"""Sees a command, answers for the card; raises TornCard for no answer."""


@dataclass
class Conversation:
    """One session: the answer under way, and every report that was made of it."""

    batch: Batch
    send: Send
    reply: Reply
    token: str
    reports: list[Report] = field(default_factory=list)

    @property
    def session_id(self) -> str:
        return str(self.batch["session_id"])

    @property
    def notes(self) -> list[str]:
        return [str(command["note"]) for command in self.batch["commands"]]

    def run(self) -> Report:
        """Run the batch on the card and make the report, without sending it."""
        return report_on(self.batch, self.reply)

    def hand_in(self, report: Report) -> TestResponse:
        """Send a report; a good answer becomes the batch under way."""
        answer = self.send(self.session_id, report)
        if answer.status_code == 200:
            self.reports.append(report)
            self.batch = answer.json or {}
        return answer

    def step(self) -> TestResponse:
        """One exchange."""
        return self.hand_in(self.run())

    def finish(self) -> Batch:
        """Exchange until the session ends; the ending."""
        while self.batch["state"] == "continue":
            answer = self.step()
            assert answer.status_code == 200, answer.text
        return self.batch


def through(element: Element) -> Reply:
    """The honest phone."""
    return element.transmit


def forging(element: Element, wanted: str, forged: bytes) -> Reply:
    """A phone that puts an answer of its own in place of the card's to every command that begins like this."""

    def reply(command: bytes) -> bytes:
        return forged if command.startswith(bytes.fromhex(wanted)) else element.transmit(command)

    return reply


def silent(_command: bytes) -> bytes:
    """No card at all."""
    raise TornCard


def report_on(batch: Batch, reply: Reply) -> Report:
    """Run the commands up to the first unexpected answer."""
    results: list[dict[str, Any]] = []
    for command in batch["commands"]:
        try:
            answer = reply(bytes.fromhex(command["apdu"]))
        except TornCard:
            return make_report(batch, results, command["i"], "timeout")
        sw = answer[-2:].hex().upper()
        results.append({"i": command["i"], "sw": sw, "data": answer[:-2].hex().upper()})
        if not re.fullmatch(command["expect"], sw):
            return make_report(batch, results, command["i"])
    return make_report(batch, results)


def make_report(
    batch: Batch,
    results: Sequence[dict[str, Any]],
    stopped_at: int | None = None,
    transport_error: str | None = None,
) -> Report:
    """A report with the digest that its contents have."""
    lines = [f"{batch['digest']}\n"]
    lines += [f"{each['i']} {each['sw'].upper()} {each['data'].upper()}\n" for each in results]
    lines.append(f"stopped_at={stopped_at or '-'} transport_error={transport_error or '-'}\n")
    return {
        "seq": batch["seq"],
        "digest": "sha256:" + hashlib.sha256("".join(lines).encode("ascii")).hexdigest(),
        "executed": len(results),
        "results": list(results),
        "stopped_at": stopped_at,
        "transport_error": transport_error,
    }
