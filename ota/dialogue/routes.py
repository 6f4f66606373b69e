"""The routes of a conversation: open, report, look, cancel."""

from typing import Any, Final

from ota.core.errors import NotFound
from ota.dialogue.element import Opening
from ota.dialogue.schemas import NewSessionSchema, OpenedSchema, ReportSchema, SessionAnswerSchema
from ota.dialogue.service import Message, Sessions
from ota.web.endpoint import Blueprint, StoredAnswer, caller, endpoint, find

blueprint = Blueprint(
    "sessions", __name__, url_prefix="/v1/sessions", description="Conversations with a card"
)

PLANS: Final = {"iss": "issuance", "top": "topup"}
"""Which plan an order's id belongs to, by its prefix."""


@blueprint.post("")
@endpoint(takes=NewSessionSchema, gives=OpenedSchema, scope="session:open", status=201)
def open_session(wanted: tuple[str, Opening]) -> dict[str, Any]:
    """Open a session for an order; the answer holds the first batch and the phone's token."""
    order_id, opening = wanted
    plan = PLANS.get(order_id.partition("_")[0])
    if plan is None:
        raise NotFound
    return find(Sessions).open(caller(), plan, order_id, opening).view


@blueprint.post("/<session_id>/results")
@endpoint(takes=ReportSchema, gives=SessionAnswerSchema, scope="session:report")
def report(session_id: str, message: Message) -> StoredAnswer:
    """Hand in the results of a batch; the same report gets the same answer, byte for byte."""
    return StoredAnswer(find(Sessions).report(caller(), session_id, message))


@blueprint.get("/<session_id>")
@endpoint(gives=SessionAnswerSchema, scope="session:read")
def show(session_id: str) -> StoredAnswer:
    """The last answer again, for a phone that lost it."""
    return StoredAnswer(find(Sessions).show(caller(), session_id))


@blueprint.post("/<session_id>/cancel")
@endpoint(gives=SessionAnswerSchema, scope="session:report")
def cancel(session_id: str) -> StoredAnswer:
    """End a session; the next contact with the card finds out how it stands."""
    return StoredAnswer(find(Sessions).cancel(caller(), session_id))
