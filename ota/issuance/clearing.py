"""Takes an unfinished card off the element again: through a channel of its own, whatever broke the first one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from ota.card.batch import BatchCommand
from ota.card.globalplatform import commands as gp
from ota.card.meanings import CommandKind
from ota.card.problems import problem_for
from ota.core.errors import CardProblem, NextAction, OtaError
from ota.dialogue.plan import Progress, Record, Step, fail, lose, send
from ota.hsm_adapter.errors import ResponseMacWrong
from ota.hsm_adapter.ports import Hsm
from ota.issuance.channels import Doors
from ota.issuance.records import Records
from ota.issuance.script import DONE, Secured, wrapped
from ota.issuance.states import IssuanceEvent, IssuanceState
from ota.issuance.visit import Turn, Visit, fresh_nonce, knock
from ota.issuance.work import Phase, Work, problem_from_json, problem_to_json

CLEARING: Final = Progress("clear", 50, "Removing an unfinished card", "正在清理未完成的卡片")


LAST_WORD: Final = Secured(gp.get_data(gp.KEY_INFORMATION_TEMPLATE), DONE, "GET DATA key information")
"""Says nothing new, but its R-MAC does: the card takes it only if it took every deletion before it, in this order.

"Not there", the usual answer to a deletion, carries no R-MAC (Amendment D 1.1.2, 6.2.5) and could be anybody's.
"""


class CalledOff(CardProblem):
    """The order was called off; what it had put on the element is removed."""

    code = "issuance_cancelled"
    next_action = NextAction.NONE
    english = "The order was called off and the element is clear."
    chinese = "订单已取消, 安全芯片已清理。"


class Clearing:
    """From a broken or cancelled build to an empty element."""

    def __init__(self, hsm: Hsm, doors: Doors, records: Records) -> None:
        self._hsm = hsm
        self._doors = doors
        self._records = records

    def start(self, visit: Visit, problem: OtaError) -> Step:
        """Give the build up because of a problem, which the session will end with."""
        events = (IssuanceEvent.CHANNEL_OPENED, IssuanceEvent.ROLL_BACK_STARTED)
        return self.call_off(visit, problem).and_record(
            self._records.progressed(visit.order.id, visit.door, *events)
        )

    def call_off(self, visit: Visit, problem: OtaError | None = None) -> Step:
        """Leave the channel under way for a new one in which the element is cleared."""
        return self.knock(replace(visit, door=self._doors.find(visit.door.element, visit.order)), problem)

    def knock(self, visit: Visit, problem: OtaError | None = None) -> Step:
        """Ask the security domain to open for the clearing."""
        kept = problem_to_json(problem) if problem is not None else {}
        work = Work(Phase.CLEAR_KNOCK, visit.door.request.host_challenge, fresh_nonce(), lead=2, problem=kept)
        return send(knock(visit.door), work.to_json(), CLEARING)

    def clear(self, visit: Visit, work: Work, lead: Sequence[BatchCommand]) -> Step:
        """DELETE everything that the order may have put there."""
        assert work.channel is not None  # noqa: S101  just opened
        channel, sent, tickets = wrapped(self._hsm, work.channel, [*visit.script.clear(), LAST_WORD])
        following = replace(work, phase=Phase.CLEAR, channel=channel, lead=len(lead), tickets=tuple(tickets))
        let_in = self._records.let_in(visit.order.id, visit.door, clearing=True)
        return send((*lead, *sent), following.to_json(), CLEARING).and_record(let_in)

    def left_alone(self, visit: Visit, work: Work) -> Step:
        """The chip bears another order's active card: its build has removed what this one left, and it stays."""
        return self._ended(visit, work)

    def cleared(self, turn: Turn) -> Step:
        """Answers to the deletions: the security domain was opened, or there would be none."""
        visit = turn.visit
        try:
            turn.unwrap(self._hsm)
        except (
            ResponseMacWrong
        ) as altered:  # somebody on the line says "deleted": the next contact clears again
            return lose(altered, visit.outcome).and_record(self._records.got_in(visit.door))
        if not turn.report.is_complete:
            refused = fail(problem_for(CommandKind.DELETE, turn.stopped[1].sw), visit.outcome)
            return refused.and_record(self._records.got_in(visit.door))
        return self._ended(visit, turn.work, self._records.got_in(visit.door))

    def _ended(self, visit: Visit, work: Work, *records: Record) -> Step:
        problem = problem_from_json(work.problem) if work.problem else CalledOff()
        abandoned = replace(visit, order=replace(visit.order, state=IssuanceState.ABANDONED))
        step = fail(problem, abandoned.outcome)
        for record in records:
            step = step.and_record(record)
        return step.and_record(self._records.cleared(visit.order.id))  # the order is locked first
