"""A top-up as a conversation: INITIALIZE FOR LOAD, then CREDIT FOR LOAD; a doubt asks the card again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ota.card import purse
from ota.card.apdu import Response
from ota.card.batch import Batch, BatchCommand, Checked
from ota.card.meanings import CommandKind
from ota.card.problems import MalformedAnswer, problem_for, silent_element
from ota.core.errors import CardProblem
from ota.core.principal import Principal
from ota.dialogue.plan import Progress, Step, Talk, fail, finish, lose, send
from ota.hsm_adapter.errors import TacWrong
from ota.topup.contact import Contact, Traces, read_traces
from ota.topup.errors import CardFrozen, ChallengeSuperseded, NotLoadable
from ota.topup.loads import Loads
from ota.topup.orders import TopupOrder
from ota.topup.outcome import Arrived, AskAgain, Authorised, Decision
from ota.topup.service import MONEY_PLACES, Topups

PLAN: Final = "topup"
MAX_ROUNDS: Final = 6
"""Questions put to a card in one session; a phone that keeps failing is sent away, not asked for ever."""

ASKING: Final = Progress("initialise_load", 30, "Preparing the card", "正在准备卡片")
CREDITING: Final = Progress("credit", 70, "Loading the money", "正在写入金额")
LOADED: Final = Progress("loaded", 100, "Loaded", "充值成功")


class TopupPlan:
    """The top-up's side of a session. The context holds the phase, the nonce or the attempt, and the round."""

    def __init__(self, topups: Topups, loads: Loads) -> None:
        self._topups = topups
        self._loads = loads

    def may_open(self, caller: Principal, subject_id: str) -> None:
        """Raise NotFound unless the order is the caller's."""
        self._topups.get(caller, subject_id)

    def open(self, talk: Talk) -> Step:
        """SELECT and INITIALIZE FOR LOAD with a new challenge, after the traces of a load in doubt."""
        return self._ask(talk, rounds=1)

    def advance(self, talk: Talk, batch: Batch, report: Checked) -> Step:
        """Authorise on a verified MAC1, finish on a verified TAC, ask again on anything else."""
        if talk.context["phase"] == "ask":
            return self._answered(talk, batch, report)
        return self._credited(talk, report)

    def first_question(self, order_id: str) -> tuple[tuple[BatchCommand, ...], Mapping[str, object]]:
        """The commands of a first question and the context to go on with, for the plan that issues the card.

        Raises NotLoadable.
        """
        contact = self._loads.meet(order_id, being_issued=True)
        if isinstance(contact, Arrived):
            raise NotLoadable(contact.order.state)
        return contact.opening, _asking(contact, rounds=1)

    def take_answer(self, talk: Talk, answer: Response, traces: Traces) -> Step:
        """Take the card's answer to INITIALIZE FOR LOAD and decide."""
        try:
            decision = self._loads.answer(
                talk.subject_id, str(talk.context["nonce"]), purse.LoadAnswer.parse(answer.data), traces
            )
        except ChallengeSuperseded:
            return self._ask(talk, _rounds(talk) + 1)
        except MalformedAnswer as problem:
            return fail(problem, _view(self._order(talk)))
        return self._decided(talk, decision)

    def _ask(self, talk: Talk, rounds: int) -> Step:
        if rounds > MAX_ROUNDS:
            return lose(CardProblem(code="too_many_rounds"), _view(self._order(talk)))
        contact = self._loads.meet(talk.subject_id)
        if isinstance(contact, Arrived):
            return _arrived(contact.order)
        return send(contact.opening, _asking(contact, rounds), ASKING)

    def _answered(self, talk: Talk, batch: Batch, report: Checked) -> Step:
        """Answers to the question: the last of the batch is INITIALIZE FOR LOAD."""
        if not report.is_complete:
            return self._stopped(talk, report, CommandKind.INITIALIZE_FOR_LOAD)
        return self.take_answer(talk, report.responses[-1], read_traces(batch.commands, report))

    def _decided(self, talk: Talk, decision: Decision) -> Step:
        if isinstance(decision, Authorised):
            return send(
                _credit(decision),
                {"phase": "credit", "attempt": decision.attempt.id, "rounds": _rounds(talk)},
                CREDITING,
            )
        if isinstance(decision, Arrived):
            return _arrived(decision.order)
        if isinstance(decision, AskAgain):
            return self._ask(talk, _rounds(talk) + 1)
        return fail(decision.problem, _view(self._order(talk)))

    def _credited(self, talk: Talk, report: Checked) -> Step:
        """Answers to CREDIT FOR LOAD: only a verified TAC counts; a status word is a client's word."""
        attempt_id = str(talk.context["attempt"])
        credit = report.response(1)
        try:
            if credit is not None and credit.sw.is_success:
                return _arrived(self._loads.confirm(attempt_id, purse.parse_tac(credit.data)))
        except (TacWrong, MalformedAnswer):
            return self._doubted(talk, attempt_id, report, "tac_wrong")
        except CardFrozen as problem:
            return fail(problem, _view(self._order(talk)))
        return self._doubted(talk, attempt_id, report, "no_tac")

    def _doubted(self, talk: Talk, attempt_id: str, report: Checked, why: str) -> Step:
        self._loads.doubt(attempt_id, why)
        if report.transport_error is not None:
            return lose(silent_element(report.transport_error), _view(self._order(talk)))
        return self._ask(talk, _rounds(talk) + 1)

    def _stopped(self, talk: Talk, report: Checked, kind: CommandKind) -> Step:
        if report.transport_error is not None:
            return lose(silent_element(report.transport_error), _view(self._order(talk)))
        answer = report.mismatch
        selecting = len(report.responses) == 1
        problem = problem_for(CommandKind.SELECT if selecting else kind, _sw(answer).sw)
        return fail(problem, _view(self._order(talk)))

    def _order(self, talk: Talk) -> TopupOrder:
        return self._topups.get(talk.caller, talk.subject_id)


def _sw(answer: Response | None) -> Response:
    assert answer is not None  # noqa: S101  check_report allows no stop without a mismatch or a transport error
    return answer


def _asking(contact: Contact, rounds: int) -> Mapping[str, object]:
    return {"phase": "ask", "nonce": contact.challenge.nonce, "rounds": rounds}


def _credit(decision: Authorised) -> tuple[BatchCommand, ...]:
    return (
        BatchCommand(purse.credit_for_load(decision.at, decision.mac2).encode(), note="CREDIT FOR LOAD"),
        BatchCommand(purse.get_balance().encode(), note="GET BALANCE"),
    )


def _arrived(order: TopupOrder) -> Step:
    return finish(_view(order), LOADED)


def _view(order: TopupOrder) -> Mapping[str, object]:
    return {
        "order_id": order.id,
        "state": str(order.state),
        "money": MONEY_PLACES[order.state],
        "card_no": order.card.digits,
        "amount_fen": order.amount.amount,
    }


def _rounds(talk: Talk) -> int:
    rounds = talk.context["rounds"]
    assert isinstance(rounds, int)  # noqa: S101  written by this plan
    return rounds
