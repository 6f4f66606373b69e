"""The routes of customer service's decisions about money."""

from typing import Any

from ota.service_desk.schemas import DecisionListSchema, DecisionSchema, ProposalSchema
from ota.service_desk.service import Decision, Decisions, Proposal
from ota.web.endpoint import Blueprint, caller, endpoint, find

blueprint = Blueprint(
    "service", __name__, url_prefix="/v1/service", description="Decisions of two people about money"
)


@blueprint.post("/decisions")
@endpoint(takes=ProposalSchema, gives=DecisionSchema, scope="decision:propose", status=201, idempotent=True)
def propose(proposal: Proposal) -> dict[str, Any]:
    """Propose what becomes of money that nothing proves; a second person must approve it."""
    return decision_view(find(Decisions).propose(caller(), proposal))


@blueprint.get("/decisions")
@endpoint(gives=DecisionListSchema, scope="decision:read")
def list_waiting() -> dict[str, Any]:
    """The proposals that wait for a second person, oldest first."""
    return {"decisions": [decision_view(decision) for decision in find(Decisions).waiting(caller())]}


@blueprint.get("/decisions/<decision_id>")
@endpoint(gives=DecisionSchema, scope="decision:read")
def show(decision_id: str) -> dict[str, Any]:
    """A proposal and its outcome."""
    return decision_view(find(Decisions).get(caller(), decision_id))


@blueprint.post("/decisions/<decision_id>/approve")
@endpoint(gives=DecisionSchema, scope="decision:approve", idempotent=True)
def approve(decision_id: str) -> dict[str, Any]:
    """Agree as the second person: the decision is carried out at once."""
    return decision_view(find(Decisions).approve(caller(), decision_id))


@blueprint.post("/decisions/<decision_id>/reject")
@endpoint(gives=DecisionSchema, scope="decision:approve", idempotent=True)
def reject(decision_id: str) -> dict[str, Any]:
    """Refuse as the second person."""
    return decision_view(find(Decisions).reject(caller(), decision_id))


def decision_view(decision: Decision) -> dict[str, Any]:
    """A decision as staff see it."""
    proposal = decision.proposal
    return {
        "decision_id": decision.id,
        "action": str(proposal.action),
        "subject_id": proposal.subject_id,
        "city": decision.city.code,
        "reason": proposal.reason,
        "proof": proposal.data.get("proof"),
        "maker": decision.maker,
        "made_at": decision.made_at,
        "checker": decision.checker,
        "checked_at": decision.checked_at,
        "outcome": None if decision.outcome is None else str(decision.outcome),
    }
