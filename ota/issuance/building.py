"""Builds a card through an open channel, batch by batch, and holds the reading against what was written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from ota.card.apdu import Command
from ota.card.batch import BatchCommand
from ota.card.problems import kind_of, meaning_of, problem_for
from ota.cities.errors import CardKeyUnknown
from ota.core.errors import CardProblem, IntegrityProblem, NextAction
from ota.dialogue.plan import Progress, Step, fail, finish, lose, send
from ota.hsm_adapter.errors import ResponseMacWrong
from ota.hsm_adapter.ports import Hsm
from ota.issuance.clearing import Clearing
from ota.issuance.first_load import FirstLoads
from ota.issuance.proof import CardProof
from ota.issuance.records import Records
from ota.issuance.script import wrapped
from ota.issuance.states import IssuanceEvent, IssuanceState
from ota.issuance.visit import Turn, Visit
from ota.issuance.work import Work
from ota.store.phases import Store

BUILDING: Final = Progress("personalise", 60, "Writing the card", "正在写入卡片")
ACTIVE: Final = Progress("active", 100, "The card is ready", "卡片已开通")

AGAINST_THE_CARD: Final = (CardProblem, IntegrityProblem, CardKeyUnknown)
"""What speaks against a card that was read. An HSM or a database that cannot answer says nothing about it."""

PROOF_COMMANDS: Final = 2
"""SELECT the purse and INITIALIZE FOR LOAD: the last two commands of a build."""


class Building:
    """From an open channel to an active card."""

    def __init__(
        self,
        store: Store,
        hsm: Hsm,
        proof: CardProof,
        first_loads: FirstLoads,
        clearing: Clearing,
        records: Records,
    ) -> None:
        self._store = store
        self._hsm = hsm
        self._proof = proof
        self._first_loads = first_loads
        self._clearing = clearing
        self._records = records

    def start(self, visit: Visit, work: Work, lead: Sequence[BatchCommand]) -> Step:
        """The first batch of a build: it begins with EXTERNAL AUTHENTICATE, or with what leads to it."""
        assert work.channel is not None  # noqa: S101  a build has its channel
        let_in = self._records.let_in(visit.order.id, visit.door, predicted=work.predicted)
        return self.next_chunk(visit, work, lead).and_record(let_in)

    def next_chunk(self, visit: Visit, work: Work, lead: Sequence[BatchCommand] = ()) -> Step:
        """As many commands as the phone takes in one batch; the readings and the proof come with the last of them."""
        assert work.channel is not None  # noqa: S101  a build has its channel
        pending = visit.script.build(self._hsm, work.channel)[work.done :]
        readings = visit.script.read_commands()
        room = visit.talk.opening.caps.max_batch - len(lead)
        ends = not pending or len(pending) + len(readings) + PROOF_COMMANDS <= room
        channel, sent, tickets = wrapped(self._hsm, work.channel, pending if ends else pending[:room])
        following = replace(
            work,
            channel=channel,
            lead=len(lead),
            tickets=tuple(tickets),
            ends=ends,
            key_versions=visit.script.key_versions,
        )
        if not ends:
            return send((*lead, *sent), following.to_json(), BUILDING)
        proof, following = self._ask_for_proof(visit, following)
        return send((*lead, *sent, *readings, *proof), following.to_json(), BUILDING)

    def built(self, turn: Turn) -> Step:
        """Answers to a chunk, its door already confirmed."""
        try:
            turn.unwrap(self._hsm)
        except ResponseMacWrong as problem:
            door = turn.visit.door if turn.got_in else None
            lost = self._records.progressed(turn.visit.order.id, door, IssuanceEvent.CONTACT_LOST)
            return lose(problem, turn.visit.outcome).and_record(lost)
        if not turn.report.is_complete:
            return self._broken(turn)
        if turn.work.ends:
            return self._read_back(turn)
        done = replace(turn.work, done=turn.work.done + len(turn.work.tickets), predicted=False)
        opened = self._records.progressed(turn.visit.order.id, turn.visit.door, IssuanceEvent.CHANNEL_OPENED)
        return self.next_chunk(turn.visit, done).and_record(opened)

    def find_finished(self, visit: Visit, work: Work, turn: Turn) -> int | None:
        """The counter of a card that a later contact found complete: every reading fits, and the MAC1 holds."""
        count = len(visit.script.readings())
        answers = turn.report.responses
        if len(answers) < count + PROOF_COMMANDS:
            return None
        fresh = not visit.order.is_in_question
        try:
            return self._proof.check(
                visit.script, answers[:count], answers[count + 1], work.nonce, is_fresh=fresh
            )
        except AGAINST_THE_CARD:
            return None

    def activated(self, visit: Visit, counter: int, *, opened: bool) -> Step:
        """End well: the card is active."""
        active = replace(visit, order=replace(visit.order, state=IssuanceState.ACTIVE))
        record = self._records.activated(visit.order.id, visit.door if opened else None, counter)
        return finish(active.outcome, ACTIVE).and_record(record)

    def _ask_for_proof(self, visit: Visit, work: Work) -> tuple[Sequence[BatchCommand], Work]:
        first_load = visit.order.first_load_id
        opening = self._first_loads.opening(first_load) if first_load is not None else None
        if opening is None:
            return visit.script.proof_commands(work.nonce), work
        commands, context = opening
        return commands, replace(work, first_load=context)

    def _read_back(self, turn: Turn) -> Step:
        """Hold the readings against what was written; the MAC1 at the end proves number and key."""
        visit, work = turn.visit, turn.work
        readings = turn.report.responses[work.lead + len(work.tickets) : -PROOF_COMMANDS]
        answer = turn.report.responses[-1]
        try:
            if work.first_load is None:
                counter = self._proof.check(visit.script, readings, answer, work.nonce)
            else:
                self._proof.check_readings(visit.script, readings)
                counter = self._first_loads.check_proof(work.first_load, answer)
        except AGAINST_THE_CARD as problem:
            return self._clearing.start(visit, problem)
        if work.first_load is None or visit.order.first_load_id is None:
            return self.activated(visit, counter, opened=True)
        with self._store.begin() as tx:  # the card must be active before its first load is authorised
            self._records.activated(visit.order.id, visit.door, counter)(tx)
        return self._first_loads.carry_on(visit.talk, visit.order.first_load_id, work.first_load, answer)

    def _broken(self, turn: Turn) -> Step:
        """A status word that was not expected, while writing or while reading."""
        sent, answer = turn.stopped
        kind = kind_of(Command.parse(sent.command))
        problem = problem_for(kind, answer.sw)
        if meaning_of(kind, answer.sw).action is NextAction.RESUME:
            lost = self._records.progressed(
                turn.visit.order.id, turn.visit.door, IssuanceEvent.CHANNEL_OPENED, IssuanceEvent.CONTACT_LOST
            )
            return fail(problem, turn.visit.outcome).and_record(lost)
        return self._clearing.start(turn.visit, problem)
