"""The route of a wallet's feed."""

from typing import Any

from ota.events.schemas import PageQuerySchema, PageSchema
from ota.events.service import Events
from ota.web.endpoint import Blueprint, caller, endpoint, find

blueprint = Blueprint("events", __name__, url_prefix="/v1/events", description="What became of orders")


@blueprint.get("")
@endpoint(query=PageQuerySchema, gives=PageSchema, scope="event:read")
def list_events(asked: dict[str, int]) -> dict[str, Any]:
    """The caller's events that follow a position, oldest first: the same ones that are sent to its server."""
    found, more = find(Events).page(caller(), asked["after"], asked["limit"])
    last = found[-1].position if found else asked["after"]
    return {"events": [event.view for event in found], "next": last, "more": more}
