"""Four eyes: one person proposes what becomes of money, another one approves it, and then it is done at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import Connection, Row, select

from ota.core.clock import Clock
from ota.core.errors import InvalidValue, NotFound
from ota.core.ids import new_id
from ota.core.principal import Principal
from ota.core.values import CardNumber, CityCode
from ota.service_desk.actions import CONDUCT
from ota.service_desk.errors import (
    DecisionOpen,
    DecisionSettled,
    ProofNeeded,
    SecondPersonNeeded,
)
from ota.service_desk.models import approval
from ota.service_desk.states import MAY_BE_PROVEN, PROVEN, Action, Outcome
from ota.store import audit
from ota.store.audit import Entry
from ota.store.inserts import insert_or_skip
from ota.store.phases import Store


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a staff member would have done, and why. ``data`` is what the action needs besides its subject."""

    action: Action
    subject_id: str
    reason: str
    data: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """What rests on something that was seen names the proof, and nothing else does: raises InvalidValue."""
        if self.action not in MAY_BE_PROVEN and ("proof" in self.data) != (self.action in PROVEN):
            raise InvalidValue(
                "proof", f"one with {', '.join(sorted(PROVEN))}, and with nothing else that has no need of it"
            )


@dataclass(frozen=True, slots=True)
class Decision:
    """A proposal and what a second person said to it; ``outcome`` is None as long as nobody has."""

    id: str
    proposal: Proposal
    city: CityCode
    maker: str
    made_at: datetime
    checker: str | None = None
    checked_at: datetime | None = None
    outcome: Outcome | None = None

    @property
    def subject(self) -> str:
        """What it is about, fit for the audit trail."""
        if self.proposal.action is Action.RELEASE_CARD:
            return CardNumber(self.proposal.subject_id).masked
        return self.proposal.subject_id


class Decisions:
    """Proposals of one person, answered by another."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def propose(self, caller: Principal, proposal: Proposal) -> Decision:
        """Put a decision before a second person; nothing is done yet.

        Raises NotFound, NotInThisState when it is not possible as things stand, ProofNeeded, DecisionOpen.
        """
        now = self._clock.now()
        with self._store.begin() as tx:
            conduct = CONDUCT[proposal.action]
            city = conduct.city_of(tx, proposal.subject_id)
            decision = _mine(Decision(new_id("dec"), proposal, city, caller.id, now), caller)
            conduct.check(tx, proposal.subject_id)
            _require_proof(tx, proposal)
            decision = replace(decision, proposal=_looked_at(tx, proposal))
            if not _insert(tx, decision):
                raise DecisionOpen
            _tell(tx, decision, caller.id, "proposed", now)
        return decision

    def approve(self, caller: Principal, decision_id: str) -> Decision:
        """Agree as the second person: it is carried out in the same transaction. Again changes nothing.

        Raises SecondPersonNeeded, DecisionSettled, and what stands against the action by now; then nothing is done.
        """
        now = self._clock.now()
        with self._store.begin() as tx:
            decision = _mine(_lock(tx, decision_id), caller)
            if decision.outcome is Outcome.APPROVED and decision.checker == caller.id:
                return decision
            settled = _settle(tx, decision, caller, Outcome.APPROVED, now)
            stand = {"decision": decision.id, "maker": decision.maker, "checker": caller.id}
            proposal = decision.proposal
            _require_proof(tx, proposal)
            if (about := proposal.data.get("about")) is not None:
                stand["about"] = about
            CONDUCT[proposal.action].carry_out(tx, proposal.subject_id, stand, caller.id, now)
            _tell(tx, settled, caller.id, "approved", now)
        return settled

    def reject(self, caller: Principal, decision_id: str) -> Decision:
        """Refuse as the second person; raises SecondPersonNeeded, DecisionSettled."""
        now = self._clock.now()
        with self._store.begin() as tx:
            decision = _mine(_lock(tx, decision_id), caller)
            settled = _settle(tx, decision, caller, Outcome.REJECTED, now)
            _tell(tx, settled, caller.id, "rejected", now)
        return settled

    def get(self, caller: Principal, decision_id: str) -> Decision:
        """A decision of the caller's city; raises NotFound for any other."""
        with self._store.read() as tx:
            row = tx.execute(select(approval).where(approval.c.id == decision_id)).one_or_none()
            return _mine(_one(row), caller)

    def waiting(self, caller: Principal) -> list[Decision]:
        """The proposals of the caller's city that wait for a second person, oldest first."""
        query = select(approval).where(approval.c.outcome.is_(None))
        if caller.city is not None:
            query = query.where(approval.c.city == caller.city.code)
        with self._store.read() as tx:
            return [_one(row) for row in tx.execute(query.order_by(approval.c.made_at, approval.c.id))]


def _mine(decision: Decision, caller: Principal) -> Decision:
    """The decision, if the staff member's token reaches its city; staff without a city reach all of them."""
    if caller.city not in (None, decision.city):
        raise NotFound
    return decision


def _looked_at(tx: Connection, proposal: Proposal) -> Proposal:
    """The proposal with what the people looked at, where that may change: what comes later is not decided by it."""
    about = CONDUCT[proposal.action].about(tx, proposal.subject_id)
    return proposal if about is None else replace(proposal, data={**proposal.data, "about": about})


def _require_proof(tx: Connection, proposal: Proposal) -> None:
    if "proof" not in proposal.data and CONDUCT[proposal.action].needs_proof(tx, proposal.subject_id):
        raise ProofNeeded


def _insert(tx: Connection, new: Decision) -> bool:
    inserted = tx.execute(
        insert_or_skip(tx, approval).values(
            id=new.id,
            action=new.proposal.action,
            subject_id=new.proposal.subject_id,
            city=new.city.code,
            reason=new.proposal.reason,
            data=dict(new.proposal.data),
            maker=new.maker,
            made_at=new.made_at,
        )
    )
    return inserted.rowcount == 1


def _lock(tx: Connection, decision_id: str) -> Decision:
    query = select(approval).where(approval.c.id == decision_id).with_for_update()
    return _one(tx.execute(query).one_or_none())


def _settle(
    tx: Connection, decision: Decision, caller: Principal, outcome: Outcome, now: datetime
) -> Decision:
    if decision.maker == caller.id:
        raise SecondPersonNeeded
    if decision.outcome is not None:
        raise DecisionSettled
    tx.execute(
        approval.update()
        .where(approval.c.id == decision.id)
        .values(checker=caller.id, checked_at=now, outcome=outcome)
    )
    return Decision(
        decision.id,
        decision.proposal,
        decision.city,
        decision.maker,
        decision.made_at,
        caller.id,
        now,
        outcome,
    )


def _tell(tx: Connection, decision: Decision, actor: str, what: str, now: datetime) -> None:
    proposal = decision.proposal
    data = {
        "action": str(proposal.action),
        "subject": decision.subject,
        "city": decision.city.code,
        "reason": proposal.reason,
        "data": dict(proposal.data),
    }
    audit.append(tx, Entry(audit.DECISIONS, actor, what, decision.id, data, now))


def _one(row: Row[tuple[object, ...]] | None) -> Decision:
    if row is None:
        raise NotFound
    return Decision(
        id=row.id,
        proposal=Proposal(row.action, row.subject_id, row.reason, row.data),
        city=CityCode(row.city),
        maker=row.maker,
        made_at=row.made_at,
        checker=row.checker,
        checked_at=row.checked_at,
        outcome=row.outcome,
    )
