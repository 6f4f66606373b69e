"""An issuance as a conversation: open the security domain, build the card, read it back; what breaks is cleared."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from ota.card.batch import Batch, Checked
from ota.card.meanings import CommandKind
from ota.card.problems import problem_for, silent_element
from ota.core.errors import NotInThisState, OtaError
from ota.core.principal import Principal
from ota.dialogue.plan import Progress, Step, Talk, fail, finish, lose, send
from ota.hsm_adapter.errors import CardCryptogramWrong, ChannelMismatch, PredictionMissed
from ota.hsm_adapter.ports import Hsm
from ota.issuance.building import ACTIVE, Building
from ota.issuance.channels import Doors
from ota.issuance.clearing import Clearing
from ota.issuance.errors import CardOnChip, IssuanceInQuestion
from ota.issuance.orders import IssuanceOrder
from ota.issuance.records import Records
from ota.issuance.script import ANYTHING
from ota.issuance.service import Issuances, view
from ota.issuance.states import IssuanceEvent, IssuanceState
from ota.issuance.visit import Turn, Visit, authenticate, fresh_nonce, knock
from ota.issuance.work import Phase, Work

PLAN: Final = "issuance"

KNOCKING: Final = Progress("open_channel", 10, "Contacting the secure element", "正在连接安全芯片")
LOOKING: Final = Progress("look", 20, "Looking at what is there already", "正在检查卡片状态")

_KNOCK_COMMANDS: Final = 2
"""SELECT and INITIALIZE UPDATE; EXTERNAL AUTHENTICATE is the third."""


class IssuancePlan:
    """The issuance's side of a session."""

    def __init__(
        self,
        issuances: Issuances,
        doors: Doors,
        hsm: Hsm,
        building: Building,
        clearing: Clearing,
        records: Records,
    ) -> None:
        self._issuances = issuances
        self._doors = doors
        self._hsm = hsm
        self._building = building
        self._clearing = clearing
        self._records = records

    def may_open(self, caller: Principal, subject_id: str) -> None:
        """Raise NotFound unless the order is the caller's."""
        self._issuances.get(caller, subject_id)

    def open(self, talk: Talk) -> Step:
        """A first contact goes straight on; a later one looks first at what an earlier one left."""
        order = self._issuances.get(talk.caller, talk.subject_id)
        if order.state is IssuanceState.ACTIVE:
            return finish(view(order, self._issuances.applications(order)), ACTIVE)
        if order.state is IssuanceState.ABANDONED:  # its number is spent
            raise NotInThisState("issuance", order.state, "session_opened")
        visit = self._visit(talk, order)
        visit = replace(visit, order=self._issuances.enter(order, visit.door))
        if visit.order.state is IssuanceState.ROLLING_BACK:
            if visit.order.is_in_question:  # another card may be on the element by now
                raise IssuanceInQuestion
            return self._clearing.knock(visit)
        if visit.order.state is IssuanceState.UNCERTAIN:
            return self._look(visit)
        return self._first(visit)

    def advance(self, talk: Talk, batch: Batch, report: Checked) -> Step:
        """Go on from the phase that the report belongs to."""
        work = Work.from_json(dict(talk.context))
        order = self._issuances.get(talk.caller, talk.subject_id)
        turn = Turn(self._visit(talk, order, work), work, batch, report)
        if order.state is IssuanceState.ABANDONED and not turn.is_clearing:
            return fail(NotInThisState("issuance", order.state, "report"), turn.visit.outcome)
        if order.is_in_question and work.phase is not Phase.LOOK:
            return fail(IssuanceInQuestion(), turn.visit.outcome)
        if report.transport_error is not None:
            return self._lost(turn, silent_element(report.transport_error))
        if work.phase in (Phase.BUILD, Phase.CLEAR):
            return self._through_the_door(turn)
        return self._at_the_door(turn)

    def _first(self, visit: Visit) -> Step:
        """Build at once where the card's challenge can be predicted; knock otherwise."""
        predicted = self._doors.predict(visit.door, visit.talk.opening)
        if predicted is None:
            return self._knock(visit)
        channel, apdu = predicted
        expected = visit.meeting(channel)
        if not self._issuances.may_predict(visit.order, expected.door):
            return self._knock(visit)
        work = Work(Phase.BUILD, visit.door.request.host_challenge, fresh_nonce(), channel, predicted=True)
        return self._building.start(expected, work, (*knock(visit.door), *authenticate(apdu)))

    def _knock(self, visit: Visit) -> Step:
        work = Work(Phase.KNOCK, visit.door.request.host_challenge, fresh_nonce(), lead=_KNOCK_COMMANDS)
        return send(knock(visit.door), work.to_json(), KNOCKING)

    def _look(self, visit: Visit) -> Step:
        """Read the card as if it were finished, prove it, and knock: the report tells which way to go."""
        work = Work(Phase.LOOK, visit.door.request.host_challenge, fresh_nonce())
        looks = (*visit.script.read_commands(ANYTHING), *visit.script.proof_commands(work.nonce, ANYTHING))
        lead = len(looks) + _KNOCK_COMMANDS
        return send((*looks, *knock(visit.door)), replace(work, lead=lead).to_json(), LOOKING)

    def _at_the_door(self, turn: Turn) -> Step:
        """The last answer is the card's to INITIALIZE UPDATE."""
        visit, work = turn.visit, turn.work
        if turn.is_called_off:
            return self._clearing.call_off(visit)
        counter = self._building.find_finished(visit, work, turn) if work.phase is Phase.LOOK else None
        if counter is not None:
            return self._building.activated(visit, counter, opened=False)
        if (obstacle := _stands_against(turn)) is not None:
            return fail(obstacle, visit.outcome)
        return self._open(visit, work, turn.report.responses[-1].data)

    def _open(self, visit: Visit, work: Work, answer: bytes) -> Step:
        """Go through the door with the card's answer to INITIALIZE UPDATE, unless its chip bears another order's card."""
        try:
            channel, apdu = self._hsm.open_channel(visit.door.request, answer)
        except (CardCryptogramWrong, ChannelMismatch) as problem:
            return fail(problem, visit.outcome)  # nothing was sent that the element could count
        visit = visit.meeting(channel)
        if self._issuances.meets_another_card(visit.order, visit.door):
            is_clearing = work.phase is Phase.CLEAR_KNOCK
            return (
                self._clearing.left_alone(visit, work) if is_clearing else fail(CardOnChip(), visit.outcome)
            )
        if work.phase is Phase.CLEAR_KNOCK:
            return self._clearing.clear(visit, replace(work, channel=channel), authenticate(apdu))
        build = Work(Phase.BUILD, work.host_challenge, fresh_nonce(), channel)
        return self._building.start(visit, build, authenticate(apdu))

    def _through_the_door(self, turn: Turn) -> Step:
        """A batch that begins with EXTERNAL AUTHENTICATE, or goes on in an open channel."""
        try:
            self._confirm(turn)
        except PredictionMissed:
            return self._knock_again(turn)
        except (CardCryptogramWrong, ChannelMismatch) as problem:
            return self._door_failed(turn, fail(problem, turn.visit.outcome))
        if not turn.report.is_complete and len(turn.report.responses) <= turn.work.lead:
            return self._refused(turn)
        if turn.work.phase is Phase.CLEAR:
            return self._clearing.cleared(turn)
        step = self._clearing.call_off(turn.visit) if turn.is_called_off else self._building.built(turn)
        return step.and_record(self._records.met(turn.visit.order.id)) if turn.work.predicted else step

    def _confirm(self, turn: Turn) -> None:
        """Hold a predicted channel against the card's real answer to INITIALIZE UPDATE."""
        answer = turn.report.response(_KNOCK_COMMANDS)
        if (
            turn.work.predicted
            and turn.work.channel is not None
            and answer is not None
            and answer.sw.is_success
        ):
            self._hsm.confirm_prediction(turn.work.channel, answer.data)

    def _refused(self, turn: Turn) -> Step:
        """SELECT, INITIALIZE UPDATE or EXTERNAL AUTHENTICATE was answered with an unexpected status word."""
        refused_at = turn.work.lead - len(turn.report.responses)
        kind = (CommandKind.EXTERNAL_AUTHENTICATE, CommandKind.INITIALIZE_UPDATE, CommandKind.SELECT)[
            refused_at
        ]
        step = fail(problem_for(kind, turn.stopped[1].sw), turn.visit.outcome)
        if kind is CommandKind.EXTERNAL_AUTHENTICATE:
            return self._door_failed(turn, step)
        return step.and_record(self._records.not_taken(turn.visit.order.id))

    def _knock_again(self, turn: Turn) -> Step:
        """The prediction missed: once more, this time with the card's own answer."""
        fresh = replace(turn.visit, door=self._doors.find(turn.visit.door.element, turn.visit.order))
        return self._door_failed(turn, self._knock(fresh))

    def _door_failed(self, turn: Turn, step: Step) -> Step:
        step = step.and_record(self._records.door_failed(turn.visit.door))
        return step if turn.got_in else step.and_record(self._records.not_taken(turn.visit.order.id))

    def _lost(self, turn: Turn, problem: OtaError) -> Step:
        lost = self._records.progressed(turn.visit.order.id, None, IssuanceEvent.CONTACT_LOST)
        step = lose(problem, turn.visit.outcome)
        if turn.got_in:
            step = step.and_record(self._records.got_in(turn.visit.door))
        return step.and_record(lost)

    def _visit(self, talk: Talk, order: IssuanceOrder, work: Work | None = None) -> Visit:
        """The contact with the element: a first one, or one that goes on from where its work stands."""
        host_challenge, versions = (work.host_challenge, work.key_versions) if work else (None, None)
        door = self._doors.find(talk.opening.element, order, host_challenge)
        if work is not None and work.channel is not None:
            door = door.of(work.channel)
        script = self._issuances.script(order, talk.opening.caps.max_apdu, versions)
        door.require_level(script.minimum_level)
        return Visit(talk, order, door, script, self._issuances.applications(order))


def _stands_against(turn: Turn) -> OtaError | None:
    """Why the security domain is not opened: a restore left open what it holds, or it did not answer as it should."""
    if turn.visit.order.is_in_question:
        return IssuanceInQuestion()
    if turn.report.is_complete:
        return None
    selecting = len(turn.report.responses) == turn.work.lead - 1
    kind = CommandKind.SELECT if selecting else CommandKind.INITIALIZE_UPDATE
    return problem_for(kind, turn.stopped[1].sw)
