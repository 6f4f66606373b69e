"""A phone: runs the batches of a session on its card, reports, and never forgets a report that was not acknowledged.

The reference for an SDK (PROTOCOL.md, sessions). Accidents for tests are asked for with `Mishaps`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import quote

from ota.sandbox import batch as batches
from ota.sandbox.api import Api, Json, Refused
from ota.sandbox.batch import Batch, Report
from ota.sandbox.outbox import Outbox, Pending
from ota.sandbox.reader import Reader

CONTINUE: Final = "continue"
_SESSION_IS_OVER: Final = (401, 403, 404, 409)
"""The token has expired, or a newer session took over: the order's next session finds out how the card stands."""


class Vanished(Exception):
    """The phone is gone, as asked for: no report leaves it any more."""


@dataclass(frozen=True, slots=True)
class Mishaps:
    """Accidents of a phone. Commands are counted over all batches, first is 1; batches by their seq.

    ``drop_after``: the phone dies after this command. ``tear_after``: the card is torn after it, the phone
    lives and says so. ``lose_report``: the phone dies when this batch has been run, before its report leaves.
    ``repeat_reports``: every report is sent twice, as by a phone whose answers get lost.
    """

    drop_after: int | None = None
    tear_after: int | None = None
    lose_report: int | None = None
    repeat_reports: bool = False


@dataclass(frozen=True, slots=True)
class Ending:
    """How a session ended, and how many exchanges with the platform it took."""

    state: str
    outcome: Json
    problem: Json | None
    receipt: str | None
    exchanges: int

    @property
    def done(self) -> bool:
        """Whether the work is finished."""
        return self.state == "done"


Watch = Callable[[Batch | None, Json], None]
"""Told each answer of the platform, with its batch when it carries one."""


class Phone:
    """One phone with a card on it."""

    def __init__(
        self,
        reader: Reader,
        api: Api,
        outbox: Outbox | None = None,
        mishaps: Mishaps | None = None,
        watch: Watch | None = None,
    ) -> None:
        self._reader = reader
        self._api = api
        self._outbox = outbox or Outbox()
        self._mishaps = mishaps or Mishaps()
        self._watch = watch or (lambda _batch, _answer: None)
        self._commands = 0

    @property
    def pending_order(self) -> str | None:
        """The order whose session an earlier run left unfinished."""
        return self._outbox.pending.order_id if self._outbox.pending is not None else None

    def converse(self, order_id: str, opened: Json, exchanges: int = 0) -> Ending:
        """Carry a session that was just opened to its end.

        ``exchanges`` is what opening it cost: 1 for a request of its own, 0 when batch 1 came with the order.
        Raises BatchRefused, Refused, Unreachable, and Vanished when that was asked for.
        """
        pending = Pending(order_id, opened["session_id"], opened["token"])
        self._outbox.keep(pending)
        return self._carry_on(pending, opened["batch"], exchanges)

    def continue_pending(self) -> Ending | None:
        """Hand in the report that an earlier run kept, and go on; None when there is none or its session is over.

        A batch that was begun and has no report is left alone: its order gets a new session, which looks first.
        """
        pending = self._outbox.pending
        if pending is None or pending.report is None:
            self._outbox.clear()
            return None
        try:
            answer = self._send(pending, pending.report)
        except Refused as refusal:
            if refusal.status not in _SESSION_IS_OVER:
                raise
            self._outbox.clear()
            return None
        return self._carry_on(replace(pending, report=None), answer, 1)

    def _carry_on(self, pending: Pending, answer: Json, exchanges: int) -> Ending:
        while answer["state"] == CONTINUE:
            batch = batches.read_batch(answer)
            self._watch(batch, answer)
            report = self._run(batch)
            pending = replace(pending, report=report)
            self._outbox.keep(pending)
            self._die_if(batch.seq == self._mishaps.lose_report, "before its report left")
            answer = self._send(pending, report)
            pending = replace(pending, report=None)
            self._outbox.keep(pending)
            exchanges += 1
        self._outbox.clear()
        self._watch(None, answer)
        return Ending(
            answer["state"], answer["outcome"], answer.get("problem"), answer.get("receipt"), exchanges
        )

    def _run(self, batch: Batch) -> Report:
        results, stopped_at, error = batches.run(self._reader, batch.orders, self._count)
        return batches.report_of(batch, results, stopped_at, error)

    def _count(self, _order: batches.Order) -> None:
        self._commands += 1
        self._die_if(self._commands == self._mishaps.drop_after, f"after {self._commands} commands")
        if self._commands == self._mishaps.tear_after:
            self._reader.close()

    def _die_if(self, due: bool, when: str) -> None:  # noqa: FBT001  it is the sentence
        if due:
            self._reader.close()
            raise Vanished(f"the phone vanished {when}")

    def _send(self, pending: Pending, report: Report | Any) -> Json:
        """Hand in a report; one that another answer was already given to is answered by the session's last answer."""
        path = f"/v1/sessions/{quote(pending.session_id, safe='')}"
        if self._mishaps.repeat_reports:
            self._api.post(f"{path}/results", pending.token, report)
        try:
            return self._api.post(f"{path}/results", pending.token, report)
        except Refused as refusal:
            if refusal.code != "sequence_conflict":
                raise
            return self._api.get(path, pending.token)
