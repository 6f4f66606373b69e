"""What decisions look like on their way in and out."""

from __future__ import annotations

from typing import Any

from marshmallow import fields, post_load, validate

from ota.dialogue.schemas import Answer, Strict
from ota.service_desk.service import Proposal
from ota.service_desk.states import Action
from ota.web.fields import Text, Token


class ProposalSchema(Strict):
    """What is to be decided; what rests on something that was seen outside names the proof.

    So does a reversed confirmation where the card's own word is not enough (`proof_needed`).
    """

    action = fields.String(required=True, validate=validate.OneOf([action.value for action in Action]))
    subject_id = Token(required=True, longest=40)
    reason = Text(required=True, longest=400)
    proof = Text(required=False, longest=64)

    @post_load
    def _make(self, data: dict[str, Any], **_: object) -> Proposal:
        more = {"proof": data["proof"]} if "proof" in data else {}
        return Proposal(Action(data["action"]), data["subject_id"], data["reason"], more)


class DecisionSchema(Answer):
    """A proposal, and what the second person said."""

    decision_id = fields.String(required=True)
    action = fields.String(required=True)
    subject_id = fields.String(required=True)
    city = fields.String(required=True)
    reason = fields.String(required=True)
    proof = fields.String(allow_none=True)
    maker = fields.String(required=True)
    made_at = fields.AwareDateTime(required=True)
    checker = fields.String(allow_none=True)
    checked_at = fields.AwareDateTime(allow_none=True)
    outcome = fields.String(allow_none=True, metadata={"description": "approved, rejected, or null: open"})


class DecisionListSchema(Answer):
    """Proposals that wait for a second person."""

    decisions = fields.List(fields.Nested(DecisionSchema), required=True)
